package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Kind says what an operation did.
type Kind uint8

// Kinds of operations. Their numbers are stored.
const (
	Insert  Kind = 1
	Update  Kind = 2 // by update operators or a pipeline
	Replace Kind = 3 // of the whole document
	Delete  Kind = 4
	DDL     Kind = 5 // a change of the catalog; Key is the catalog's own description
)

var kindNames = [...]string{Insert: "insert", Update: "update", Replace: "replace", Delete: "delete", DDL: "ddl"}

// String returns the kind's name: "insert", "update", "replace", "delete", "ddl".
func (k Kind) String() string {
	if int(k) < len(kindNames) && k != 0 {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Op names one document (or one change of the catalog) that a commit wrote. The
// document itself is the row's version at the commit's LSN.
type Op struct {
	Timeline   Timeline
	Collection CollectionID
	Kind       Kind
	// Key is keyenc of the document's _id; for DDL whatever the catalog wrote.
	Key []byte
	// Whole says of an update which documents and arrays within the document it
	// gave as a whole, although only a part of them differs: paths with a 0 byte
	// between them. Empty for none.
	Whole []byte
}

// Actor is who made a commit.
type Actor struct {
	User    string // "" without authentication
	AppName string // from the client's hello
	Client  string // remote address
}

// SessionInfo is what a retryable write or a transaction leaves in the log.
type SessionInfo struct {
	ID        []byte // the logical session's id; empty when there is none
	TxnNumber int64
	Outcome   []byte // opaque to the log
}

// Record is one commit.
type Record struct {
	Stamp
	Actor   Actor
	Comment []byte // a BSON value as type byte and data; empty when none
	Session SessionInfo
	Txn     bool // a multi-statement transaction
	Ops     []Op
}

// The record's format. A record is a fixed header, which the commit fills in
// last, and a body of uvarints and length-prefixed bytes.
//
//	version 1 | flags 1 | time 8 | timestamp 8 | body
//	body: [user, appName, client] [comment] [session id, txnNumber, outcome] count, ops
//	op: kind | timeline, collection when they differ from the op before | key | whole, when there is any
const (
	recordVersion = 1
	// HeaderSize is the size of a record's fixed header in bytes.
	HeaderSize = 1 + 1 + 8 + 8

	flagActor   = 1 << 0
	flagComment = 1 << 1
	flagSession = 1 << 2
	flagTxn     = 1 << 3
	flagsKnown  = flagActor | flagComment | flagSession | flagTxn

	opSameTarget = 0x80 // the op's timeline and collection are those of the op before
	opWhole      = 0x40 // the op has Whole
)

// ErrCorrupt is returned for bytes that are not a record.
var ErrCorrupt = errors.New("corrupt log record")

// Append appends the record's encoding to dst. The stamp's time and timestamp
// stand in the header, where SetStamp can write them later; the LSN is not part
// of the encoding, because it is the record's key.
func (r *Record) Append(dst []byte) []byte {
	var flags byte
	if r.Actor != (Actor{}) {
		flags |= flagActor
	}
	if len(r.Comment) > 0 {
		flags |= flagComment
	}
	if len(r.Session.ID) > 0 {
		flags |= flagSession
	}
	if r.Txn {
		flags |= flagTxn
	}
	dst = append(dst, recordVersion, flags)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Time))
	dst = binary.LittleEndian.AppendUint64(dst, uint64(r.Timestamp))
	if flags&flagActor != 0 {
		dst = appendBytes(dst, r.Actor.User)
		dst = appendBytes(dst, r.Actor.AppName)
		dst = appendBytes(dst, r.Actor.Client)
	}
	if flags&flagComment != 0 {
		dst = appendBytes(dst, r.Comment)
	}
	if flags&flagSession != 0 {
		dst = appendBytes(dst, r.Session.ID)
		dst = binary.AppendVarint(dst, r.Session.TxnNumber)
		dst = appendBytes(dst, r.Session.Outcome)
	}
	dst = binary.AppendUvarint(dst, uint64(len(r.Ops)))
	var last Op
	for i := range r.Ops {
		op := &r.Ops[i]
		kind := byte(op.Kind)
		if len(op.Whole) > 0 {
			kind |= opWhole
		}
		if i > 0 && op.Timeline == last.Timeline && op.Collection == last.Collection {
			dst = append(dst, kind|opSameTarget)
		} else {
			dst = append(dst, kind)
			dst = binary.AppendUvarint(dst, uint64(op.Timeline))
			dst = binary.AppendUvarint(dst, uint64(op.Collection))
			last = *op
		}
		dst = appendBytes(dst, op.Key)
		if len(op.Whole) > 0 {
			dst = appendBytes(dst, op.Whole)
		}
	}
	return dst
}

func appendBytes[T string | []byte](dst []byte, b T) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(b)))
	return append(dst, b...)
}

// SetStamp writes a stamp's time and timestamp into an encoded record.
func SetStamp(rec []byte, s Stamp) {
	binary.LittleEndian.PutUint64(rec[2:], uint64(s.Time))
	binary.LittleEndian.PutUint64(rec[10:], uint64(s.Timestamp))
}

// DecodeStamp reads only the stamp of an encoded record, in constant time.
func DecodeStamp(lsn LSN, rec []byte) (Stamp, error) {
	if len(rec) < HeaderSize || rec[0] != recordVersion || rec[1]&^flagsKnown != 0 {
		return Stamp{}, ErrCorrupt
	}
	return Stamp{
		LSN:       lsn,
		Time:      int64(binary.LittleEndian.Uint64(rec[2:])),
		Timestamp: Timestamp(binary.LittleEndian.Uint64(rec[10:])),
	}, nil
}

// Decode reads a record into r, whose space for ops is used again. What r holds
// afterwards aliases rec. It accepts exactly what Append writes.
func (r *Record) Decode(lsn LSN, rec []byte) error {
	ops := r.Ops[:0]
	*r = Record{}
	st, err := DecodeStamp(lsn, rec)
	if err != nil {
		return err
	}
	r.Stamp = st
	flags := rec[1]
	d := decoder{b: rec[HeaderSize:]}
	if flags&flagActor != 0 {
		r.Actor = Actor{User: string(d.bytes()), AppName: string(d.bytes()), Client: string(d.bytes())}
	}
	if flags&flagComment != 0 {
		r.Comment = d.bytes()
	}
	if flags&flagSession != 0 {
		r.Session.ID = d.bytes()
		r.Session.TxnNumber = d.varint()
		r.Session.Outcome = d.bytes()
	}
	r.Txn = flags&flagTxn != 0
	n := d.uvarint()
	if n > uint64(len(d.b))/2 { // an op takes two bytes or more
		return ErrCorrupt
	}
	ops = slices.Grow(ops, int(n))
	var op Op
	for i := uint64(0); i < n && !d.bad; i++ {
		k := d.byte()
		op.Kind = Kind(k &^ (opSameTarget | opWhole))
		if op.Kind < Insert || op.Kind > DDL || (i == 0 && k&opSameTarget != 0) || k&opWhole != 0 && op.Kind != Update {
			return ErrCorrupt
		}
		if k&opSameTarget == 0 {
			op.Timeline = Timeline(d.uvarint())
			op.Collection = CollectionID(d.uvarint())
		}
		op.Key = d.bytes()
		if op.Whole = nil; k&opWhole != 0 {
			if op.Whole = d.bytes(); len(op.Whole) == 0 {
				return ErrCorrupt
			}
		}
		ops = append(ops, op)
	}
	if d.bad || len(d.b) != 0 {
		return ErrCorrupt
	}
	r.Ops = ops
	return nil
}

// decoder reads the body; after the first error everything is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) byte() byte {
	if len(d.b) == 0 {
		d.fail()
		return 0
	}
	c := d.b[0]
	d.b = d.b[1:]
	return c
}

func (d *decoder) uvarint() uint64 {
	n, k := binary.Uvarint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return n
}

func (d *decoder) varint() int64 {
	n, k := binary.Varint(d.b)
	if k <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[k:]
	return n
}

func (d *decoder) bytes() []byte {
	n := d.uvarint()
	if n > uint64(len(d.b)) {
		d.fail()
		return nil
	}
	b := d.b[:n:n]
	d.b = d.b[n:]
	return b
}
