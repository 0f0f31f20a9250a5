// Package wire reads and writes MongoDB's wire protocol: OP_MSG with its
// sections, checksum and flags, OP_COMPRESSED, and the OP_QUERY that older
// drivers begin with. Lengths must be exact, and every document of a message is
// validated before anything else sees it.
//
// The format is described in MongoDB's manual, "MongoDB Wire Protocol".
package wire

import (
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// OpCode is the kind of a message.
type OpCode int32

// The kinds of message that are still known.
const (
	OpReply      OpCode = 1
	OpQuery      OpCode = 2004
	OpCompressed OpCode = 2012
	OpMsg        OpCode = 2013
)

// Limits of the protocol.
const (
	HeaderSize = 16
	// MaxMessage is the longest message in bytes, header included.
	MaxMessage = 48_000_000
	// maxDocs is how many documents of a sequence are kept: one more than a
	// write batch may have, so that the command still sees that there are too many.
	maxDocs = 100_001
	// maxSequences is how many document sequences a message may have.
	maxSequences = 2
)

// Flags of OP_MSG.
const (
	ChecksumPresent = 1 << 0
	MoreToCome      = 1 << 1
	ExhaustAllowed  = 1 << 16
	requiredMask    = 0xffff
)

// ErrProtocol is an error after which the connection cannot go on, because
// nobody knows where the next message begins or what the peer speaks.
var ErrProtocol = errors.New("wire: protocol error")

// Header is the beginning of every message.
type Header struct {
	Length, RequestID, ResponseTo int32
	Op                            OpCode
}

func parseHeader(b []byte) Header {
	return Header{
		Length:     int32(binary.LittleEndian.Uint32(b)),
		RequestID:  int32(binary.LittleEndian.Uint32(b[4:])),
		ResponseTo: int32(binary.LittleEndian.Uint32(b[8:])),
		Op:         OpCode(binary.LittleEndian.Uint32(b[12:])),
	}
}

// Sequence is a document sequence of an OP_MSG.
type Sequence struct {
	Name string
	Docs []bsonx.Doc
}

// Message is a parsed request. Its documents alias the bytes it was parsed
// from. It can be used again with another Parse; then its slices are reused.
type Message struct {
	Header    Header // of the message inside, when it came compressed
	Flags     uint32
	Body      bsonx.Doc
	Sequences []Sequence
	// DB is the database of an OP_QUERY; "" for OP_MSG, which has it in $db.
	DB string
	// Compressor is what the request was compressed with; 0 for nothing.
	Compressor CompressorID
}

// Is reports whether a flag of OP_MSG is set.
func (m *Message) Is(flag uint32) bool { return m.Flags&flag != 0 }

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Parse reads one whole message, as Reader.Next returned it. scratch is where a
// compressed message is unpacked; the grown buffer is returned for the next
// time. An error that is ErrProtocol means that the connection has to be closed;
// any other is an *errcode.Error for the client (Header.RequestID is set).
func (m *Message) Parse(raw, scratch []byte) ([]byte, error) {
	m.reset()
	if len(raw) < HeaderSize {
		return scratch, ErrProtocol
	}
	m.Header = parseHeader(raw)
	if int(m.Header.Length) != len(raw) {
		return scratch, ErrProtocol
	}
	body := raw[HeaderSize:]
	packed := m.Header.Op == OpCompressed
	if packed {
		var err error
		if body, scratch, err = m.unpack(body, scratch); err != nil {
			return scratch, err
		}
	}
	switch m.Header.Op {
	case OpMsg:
		return scratch, m.parseMsg(raw, body, packed)
	case OpQuery:
		return scratch, m.parseQuery(body)
	}
	return scratch, ErrProtocol
}

func (m *Message) reset() {
	for i := range m.Sequences {
		m.Sequences[i].Docs = m.Sequences[i].Docs[:0]
	}
	m.Flags, m.Body, m.Sequences, m.DB, m.Compressor = 0, nil, m.Sequences[:0], "", 0
}

// parseMsg reads the flags and sections of an OP_MSG.
func (m *Message) parseMsg(raw, b []byte, packed bool) error {
	if len(b) < 4 {
		return ErrProtocol
	}
	m.Flags = binary.LittleEndian.Uint32(b)
	if m.Flags&requiredMask&^(ChecksumPresent|MoreToCome) != 0 {
		return fatal(errcode.IllegalOpMsgFlag, "Message contains illegal flags value: Ob%b", m.Flags)
	}
	b = b[4:]
	if m.Is(ChecksumPresent) {
		if len(b) < 4 {
			return ErrProtocol
		}
		sum := binary.LittleEndian.Uint32(b[len(b)-4:])
		b = b[:len(b)-4]
		if !packed && crc32.Checksum(raw[:len(raw)-4], castagnoli) != sum {
			return fatal(errcode.ChecksumMismatch, "OP_MSG checksum does not match contents")
		}
	}
	for len(b) > 0 {
		kind := b[0]
		var err error
		switch kind {
		case 0:
			b, err = m.parseBody(b[1:])
		case 1:
			b, err = m.parseSequence(b[1:])
		default:
			err = errcode.New(40432, "Unknown section kind %d", kind)
		}
		if err != nil {
			return err
		}
	}
	if m.Body == nil {
		return errcode.New(40587, "OP_MSG messages must have a body")
	}
	return nil
}

func (m *Message) parseBody(b []byte) (rest []byte, err error) {
	if m.Body != nil {
		return nil, errcode.New(40430, "Multiple body sections in message")
	}
	m.Body, rest, err = document(b)
	return rest, err
}

// document takes a document off the front of b.
func document(b []byte) (d bsonx.Doc, rest []byte, err error) {
	n, ok := size(b, 5)
	if !ok {
		return nil, nil, errcode.New(errcode.InvalidBSON, "Invalid BSON: a document is longer than its message")
	}
	if err := bsonx.ValidateDepth(b[:n], bsonx.MaxMessageDepth); err != nil {
		return nil, nil, err
	}
	return b[:n:n], b[n:], nil
}

// size reads a length at the front of b, which counts itself and must be at
// least lowest and at most what is there.
func size(b []byte, lowest int) (int, bool) {
	if len(b) < 4 {
		return 0, false
	}
	n := int(int32(binary.LittleEndian.Uint32(b)))
	return n, n >= lowest && n <= len(b)
}

func (m *Message) parseSequence(b []byte) (rest []byte, err error) {
	n, ok := size(b, 5)
	if !ok {
		return nil, errcode.New(errcode.InvalidBSON, "Invalid BSON: a document sequence is longer than its message")
	}
	in, rest := b[4:n], b[n:]
	name, in, ok := cstring(in)
	if !ok {
		return nil, errcode.New(errcode.InvalidBSON, "Invalid BSON: a document sequence has no name")
	}
	seq, err := m.addSequence(name)
	if err != nil {
		return nil, err
	}
	for len(in) > 0 {
		var d bsonx.Doc
		if d, in, err = document(in); err != nil {
			return nil, err
		}
		if len(seq.Docs) < maxDocs {
			seq.Docs = append(seq.Docs, d)
		}
	}
	return rest, nil
}

// addSequence begins a sequence, in the memory of an earlier one if there is.
func (m *Message) addSequence(name []byte) (*Sequence, error) {
	n := len(m.Sequences)
	if n >= maxSequences {
		return nil, errcode.New(errcode.TooManyDocumentSequences, "Too many document sequences in OP_MSG")
	}
	for i := range m.Sequences {
		if m.Sequences[i].Name == string(name) {
			return nil, errcode.New(40431, "Duplicate document sequence: %s", name)
		}
	}
	if n < cap(m.Sequences) {
		m.Sequences = m.Sequences[:n+1]
	} else {
		m.Sequences = append(m.Sequences, Sequence{})
	}
	s := &m.Sequences[n]
	s.Docs = s.Docs[:0]
	if cap(s.Docs) > 4096 { // a rare large batch must not stay with the connection
		s.Docs = nil
	}
	if s.Name != string(name) {
		s.Name = string(name)
	}
	return s, nil
}

// fatalError is an error that the client is told before the connection closes.
type fatalError struct{ e *errcode.Error }

func (f *fatalError) Error() string   { return f.e.Error() }
func (f *fatalError) Unwrap() []error { return []error{f.e, ErrProtocol} }

func fatal(c errcode.Code, format string, args ...any) error {
	return &fatalError{errcode.New(c, format, args...)}
}
