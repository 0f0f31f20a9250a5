package wire

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/argon-db/argon/internal/bsonx"
)

// Reply builds one reply message in a buffer that is used again. The zero value
// is ready. Not safe for concurrent use.
type Reply struct {
	b      bsonx.Builder
	buf    []byte
	packed []byte
	op     OpCode
}

// keepReply is the largest buffer that is kept for the next reply, in bytes.
const keepReply = 256 << 10

// Begin starts the reply to m and returns the builder of its document.
func (r *Reply) Begin(m *Message) *bsonx.Builder {
	if cap(r.buf) > keepReply {
		r.buf = nil
	}
	var head [HeaderSize + 20]byte
	n := HeaderSize + 5 // OP_MSG: flags, section kind 0
	if r.op = OpMsg; m.Header.Op == OpQuery {
		r.op, n = OpReply, HeaderSize+20 // flags, cursor id, starting from, number returned
		binary.LittleEndian.PutUint32(head[HeaderSize:], 8)
		binary.LittleEndian.PutUint32(head[HeaderSize+16:], 1)
	}
	r.b.Begin(append(r.buf[:0], head[:n]...))
	return &r.b
}

// Finish completes the reply to m and returns its bytes, valid until the next
// Begin. more marks an OP_MSG that another one follows; id and responseTo are
// for the header. The reply is compressed and has a checksum as m had.
func (r *Reply) Finish(m *Message, id, responseTo int32, more bool) []byte {
	r.b.Done()
	r.buf = r.b.Bytes()
	if r.op == OpMsg {
		var flags uint32
		if more {
			flags |= MoreToCome
		}
		if m.Is(ChecksumPresent) && m.Compressor == NoCompressor {
			flags |= ChecksumPresent
			r.buf = append(r.buf, 0, 0, 0, 0)
		}
		binary.LittleEndian.PutUint32(r.buf[HeaderSize:], flags)
	}
	putHeader(r.buf, id, responseTo, r.op)
	if m.Compressor != NoCompressor && r.op == OpMsg {
		return r.compress(m, id, responseTo)
	}
	if r.op == OpMsg && m.Is(ChecksumPresent) {
		at := len(r.buf) - 4
		binary.LittleEndian.PutUint32(r.buf[at:], crc32.Checksum(r.buf[:at], castagnoli))
	}
	return r.buf
}

// compress packs the finished reply as the request was.
func (r *Reply) compress(m *Message, id, responseTo int32) []byte {
	if cap(r.packed) > keepReply {
		r.packed = nil
	}
	var head [HeaderSize + compressedHead]byte
	binary.LittleEndian.PutUint32(head[HeaderSize:], uint32(r.op))
	binary.LittleEndian.PutUint32(head[HeaderSize+4:], uint32(len(r.buf)-HeaderSize))
	head[HeaderSize+8] = byte(m.Compressor)
	out, ok := compress(m.Compressor, append(r.packed[:0], head[:]...), r.buf[HeaderSize:])
	if !ok {
		return r.buf
	}
	r.packed = out
	putHeader(out, id, responseTo, OpCompressed)
	return out
}

func putHeader(b []byte, id, responseTo int32, op OpCode) {
	binary.LittleEndian.PutUint32(b, uint32(len(b)))
	binary.LittleEndian.PutUint32(b[4:], uint32(id))
	binary.LittleEndian.PutUint32(b[8:], uint32(responseTo))
	binary.LittleEndian.PutUint32(b[12:], uint32(op))
}
