package change

import (
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/wal"
)

// position is a place in the log: what follows it has not been seen yet. Within
// one operation of the log the event comes first (sub 0), then the documents of a
// collection that the operation has brought back (from 1), then the invalidation
// that it causes.
type position struct {
	lsn wal.LSN
	op  uint32
	sub uint32
}

const (
	subEvent      = 0
	subInvalidate = allSub - 1
	// A position after the whole of a commit.
	allOps = ^uint32(0)
	allSub = ^uint32(0)
)

// after is the position after everything of a commit.
func after(lsn wal.LSN) position { return position{lsn, allOps, allSub} }

func (p position) less(o position) bool {
	switch {
	case p.lsn != o.lsn:
		return p.lsn < o.lsn
	case p.op != o.op:
		return p.op < o.op
	}
	return p.sub < o.sub
}

// nextOp is the first operation that has something after the position.
func (p position) nextOp() position {
	switch {
	case p.op == allOps:
		return position{lsn: p.lsn + 1}
	case p.sub == allSub:
		return position{lsn: p.lsn, op: p.op + 1}
	}
	return position{lsn: p.lsn, op: p.op}
}

// before is the position before an event.
func (p position) before() position {
	if p.op == 0 {
		return after(p.lsn - 1)
	}
	return position{p.lsn, p.op - 1, allSub}
}

// token is a resume token. Its string form orders as tokens of one stream do, and
// begins as MongoDB's own: 82, then the cluster time, which some clients read.
//
//	82 | timestamp 8 | version 1 | LSN 8 | op 4 | sub 4 | fragment 2 | timeline 8 | CRC 4
//
// Numbers are big endian, the checksum is over what is before it. Fragment is 0 for
// a whole event, otherwise the number of the fragment, from 1.
type token struct {
	ts wal.Timestamp
	position
	fragment uint16
	// timeline is that of the event; of a token between events the timeline that
	// the stream follows, 0 for a stream of all.
	timeline wal.Timeline
}

const (
	tokenLead    = 0x82
	tokenVersion = 1
	tokenSize    = tokenSummed + 4
	tokenSummed  = 1 + 8 + 1 + 8 + 4 + 4 + 2 + 8
)

// ofEvent reports whether the token is that of one event.
func (t token) ofEvent() bool { return t.op != allOps }

// fromInvalidate reports whether the token is that of an invalidation.
func (t token) fromInvalidate() bool { return t.sub == subInvalidate }

// data returns the token's string.
func (t token) data() string {
	b := make([]byte, 0, tokenSize)
	b = append(b, tokenLead)
	b = binary.BigEndian.AppendUint64(b, uint64(t.ts))
	b = append(b, tokenVersion)
	b = binary.BigEndian.AppendUint64(b, uint64(t.lsn))
	b = binary.BigEndian.AppendUint32(b, t.op)
	b = binary.BigEndian.AppendUint32(b, t.sub)
	b = binary.BigEndian.AppendUint16(b, t.fragment)
	b = binary.BigEndian.AppendUint64(b, uint64(t.timeline))
	b = binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return strings.ToUpper(hex.EncodeToString(b))
}

// doc returns the token as clients get it.
func (t token) doc() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("_data", t.data())
	return b.Done()
}

// parseToken reads a resume token, whose _data is a string. Errors: FailedToParse,
// 40649 and InvalidResumeToken, as MongoDB has them.
func parseToken(d bsonx.Doc) (token, error) {
	raw, err := hex.DecodeString(string(bsonx.Str(bsonx.Lookup(d, "_data"))))
	if err != nil {
		return token{}, errcode.New(errcode.FailedToParse, "resume token string was not a valid hex string")
	}
	if len(raw) == 0 {
		return token{}, errcode.New(40649, "invalid empty resume token")
	}
	if len(raw) != tokenSize || raw[0] != tokenLead || raw[9] != tokenVersion {
		return token{}, errcode.New(errcode.InvalidResumeToken, "the resume token is not one of this server's; start the stream without it")
	}
	if binary.BigEndian.Uint32(raw[tokenSummed:]) != crc32.ChecksumIEEE(raw[:tokenSummed]) {
		return token{}, errcode.New(errcode.InvalidResumeToken, "the resume token was changed after the server gave it")
	}
	return token{
		ts:       wal.Timestamp(binary.BigEndian.Uint64(raw[1:])),
		position: position{wal.LSN(binary.BigEndian.Uint64(raw[10:])), binary.BigEndian.Uint32(raw[18:]), binary.BigEndian.Uint32(raw[22:])},
		fragment: binary.BigEndian.Uint16(raw[26:]),
		timeline: wal.Timeline(binary.BigEndian.Uint64(raw[28:])),
	}, nil
}
