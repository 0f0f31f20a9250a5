package wire_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/wire"
)

func doc(fields ...any) []byte {
	b := bsonx.NewDoc(nil)
	for i := 0; i < len(fields); i += 2 {
		switch v := fields[i+1].(type) {
		case int:
			b.Int32(fields[i].(string), int32(v))
		case string:
			b.String(fields[i].(string), v)
		}
	}
	return b.Done()
}

// message frames a body.
func message(op wire.OpCode, body ...[]byte) []byte {
	all := bytes.Join(body, nil)
	m := binary.LittleEndian.AppendUint32(nil, uint32(wire.HeaderSize+len(all)))
	m = binary.LittleEndian.AppendUint32(m, 7)
	m = binary.LittleEndian.AppendUint32(m, 0)
	m = binary.LittleEndian.AppendUint32(m, uint32(op))
	return append(m, all...)
}

func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

func sequence(name string, docs ...[]byte) []byte {
	all := append(append([]byte(name), 0), bytes.Join(docs, nil)...)
	return append(append([]byte{1}, u32(uint32(len(all)+4))...), all...)
}

func body(d []byte) []byte { return append([]byte{0}, d...) }

func withChecksum(m []byte) []byte {
	binary.LittleEndian.PutUint32(m, uint32(len(m)+4))
	return binary.LittleEndian.AppendUint32(m, crc32.Checksum(m, crc32.MakeTable(crc32.Castagnoli)))
}

func TestParse(t *testing.T) {
	ping, d1, d2 := doc("ping", 1, "$db", "admin"), doc("a", 1), doc("a", 2)
	var m wire.Message
	for _, tt := range []struct {
		name string
		raw  []byte
		docs int
	}{
		{"body", message(wire.OpMsg, u32(0), body(ping)), 0},
		{"sequence after the body", message(wire.OpMsg, u32(0), body(ping), sequence("documents", d1, d2)), 2},
		{"sequence before the body", message(wire.OpMsg, u32(0), sequence("documents", d1), body(ping)), 1},
		{"empty sequence", message(wire.OpMsg, u32(0), body(ping), sequence("documents")), 0},
		{"checksum", withChecksum(message(wire.OpMsg, u32(wire.ChecksumPresent), body(ping))), 0},
		{"unknown optional flag", message(wire.OpMsg, u32(1<<20), body(ping)), 0},
	} {
		if _, err := m.Parse(tt.raw, nil); err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if !bytes.Equal(m.Body, ping) || m.Header.RequestID != 7 {
			t.Errorf("%s: body %x, request %d", tt.name, m.Body, m.Header.RequestID)
		}
		n := 0
		for _, s := range m.Sequences {
			if s.Name != "documents" {
				t.Errorf("%s: sequence %q", tt.name, s.Name)
			}
			n += len(s.Docs)
		}
		if n != tt.docs {
			t.Errorf("%s: %d documents in sequences, want %d", tt.name, n, tt.docs)
		}
	}
}

func TestParseQuery(t *testing.T) {
	hello := doc("isMaster", 1)
	raw := message(wire.OpQuery, u32(4), []byte("admin.$cmd\x00"), u32(0), u32(0xffffffff), hello)
	var m wire.Message
	if _, err := m.Parse(raw, nil); err != nil {
		t.Fatal(err)
	}
	if m.DB != "admin" || !bytes.Equal(m.Body, hello) {
		t.Errorf("DB %q, body %x", m.DB, m.Body)
	}
}

// protocol stands for "the connection closes and the client is told nothing".
const protocol = errcode.Code(-1)

func TestParseRefuses(t *testing.T) {
	ping := doc("ping", 1, "$db", "admin")
	badUTF8 := doc("ping", "x")
	badUTF8[bytes.IndexByte(badUTF8, 'x')] = 0xff
	wrongSum := withChecksum(message(wire.OpMsg, u32(wire.ChecksumPresent), body(ping)))
	wrongSum[len(wrongSum)-1] ^= 1
	for _, tt := range []struct {
		name string
		raw  []byte
		want errcode.Code
	}{
		{"only a header", message(wire.OpMsg), protocol},
		{"no section", message(wire.OpMsg, u32(0)), 40587},
		{"only a sequence", message(wire.OpMsg, u32(0), sequence("documents", ping)), 40587},
		{"two bodies", message(wire.OpMsg, u32(0), body(ping), body(ping)), 40430},
		{"unknown section", message(wire.OpMsg, u32(0), []byte{9}), 40432},
		{"unknown required flag", message(wire.OpMsg, u32(1<<5), body(ping)), errcode.IllegalOpMsgFlag},
		{"wrong checksum", wrongSum, errcode.ChecksumMismatch},
		{"body cut off", message(wire.OpMsg, u32(0), body(ping[:len(ping)-2])), errcode.InvalidBSON},
		{"body longer than the message", message(wire.OpMsg, u32(0), []byte{0, 0xff, 0xff, 0xff, 0x7f}), errcode.InvalidBSON},
		{"body of negative length", message(wire.OpMsg, u32(0), []byte{0, 0xff, 0xff, 0xff, 0xff, 0}), errcode.InvalidBSON},
		{"text that is not UTF-8", message(wire.OpMsg, u32(0), body(badUTF8)), errcode.InvalidBSON},
		{"sequence longer than the message", message(wire.OpMsg, u32(0), body(ping), []byte{1, 0xff, 0, 0, 0, 'a', 0}), errcode.InvalidBSON},
		{"sequence without a name", message(wire.OpMsg, u32(0), body(ping), []byte{1, 6, 0, 0, 0, 'a', 'b'}), errcode.InvalidBSON},
		{"sequence twice", message(wire.OpMsg, u32(0), body(ping), sequence("a"), sequence("a")), 40431},
		{"three sequences", message(wire.OpMsg, u32(0), body(ping), sequence("a"), sequence("b"), sequence("c")), errcode.TooManyDocumentSequences},
		{"unknown opcode", message(4242, u32(0), body(ping)), protocol},
		{"OP_INSERT", message(2002, u32(0), []byte("a.b\x00"), ping), protocol},
		{"OP_QUERY of a collection", message(wire.OpQuery, u32(0), []byte("a.b\x00"), u32(0), u32(0), ping), 5739101},
		{"OP_QUERY without an end", message(wire.OpQuery, u32(0), []byte("admin.$cmd")), protocol},
		{"compressed twice", message(wire.OpCompressed, u32(uint32(wire.OpCompressed)), u32(9), []byte{0}, make([]byte, 9)), protocol},
		{"compressed by nobody knows what", message(wire.OpCompressed, u32(uint32(wire.OpMsg)), u32(9), []byte{99}, make([]byte, 9)), protocol},
		{"compressed shorter than it says", message(wire.OpCompressed, u32(uint32(wire.OpMsg)), u32(90), []byte{0}, u32(0), body(ping)), protocol},
		{"compressed to a gigabyte", message(wire.OpCompressed, u32(uint32(wire.OpMsg)), u32(1<<30), []byte{2}, []byte("x")), protocol},
		{"snappy that promises much", message(wire.OpCompressed, u32(uint32(wire.OpMsg)), u32(40_000_000), []byte{1}, []byte{0x80, 0xb4, 0x89, 0x13, 0}), protocol},
		{"zlib of garbage", message(wire.OpCompressed, u32(uint32(wire.OpMsg)), u32(9), []byte{2}, []byte("garbage")), protocol},
		{"zstd of garbage", message(wire.OpCompressed, u32(uint32(wire.OpMsg)), u32(9), []byte{3}, []byte("garbage")), protocol},
	} {
		var m wire.Message
		_, err := m.Parse(tt.raw, nil)
		if err == nil {
			t.Errorf("%s: accepted", tt.name)
			continue
		}
		var e *errcode.Error
		switch isCode := errors.As(err, &e); {
		case tt.want == protocol && (isCode || !errors.Is(err, wire.ErrProtocol)):
			t.Errorf("%s: got %v, want a closed connection", tt.name, err)
		case tt.want != protocol && (!isCode || e.Code != tt.want):
			t.Errorf("%s: got %v, want code %d", tt.name, err, tt.want)
		}
	}
}

// TestReply sends a reply back through the parser: with a checksum, compressed
// in every way, and as OP_REPLY.
func TestReply(t *testing.T) {
	ping := doc("ping", 1, "$db", "admin")
	long := strings.Repeat("much the same ", 5000)
	for _, id := range []wire.CompressorID{wire.NoCompressor, wire.Snappy, wire.Zlib, wire.Zstd} {
		for _, flags := range []uint32{0, wire.ChecksumPresent} {
			var m, back wire.Message
			raw := message(wire.OpMsg, u32(flags), body(ping))
			if flags != 0 {
				raw = withChecksum(raw)
			}
			if _, err := m.Parse(raw, nil); err != nil {
				t.Fatal(err)
			}
			m.Compressor = id
			var r wire.Reply
			for range 2 { // the second time in the same buffers
				b := r.Begin(&m)
				b.String("text", long)
				out := r.Finish(&m, 11, 7, false)
				if id != wire.NoCompressor && len(out) > len(long)/4 {
					t.Errorf("compressor %d: %d bytes", id, len(out))
				}
				if _, err := back.Parse(out, nil); err != nil {
					t.Fatalf("compressor %d, flags %d: %v", id, flags, err)
				}
				if back.Header.RequestID != 11 || back.Header.ResponseTo != 7 || back.Compressor != id {
					t.Errorf("compressor %d: header %+v, came back with compressor %d", id, back.Header, back.Compressor)
				}
				if got := bsonx.Lookup(back.Body, "text"); string(bsonx.Str(got)) != long {
					t.Errorf("compressor %d: the text came back different", id)
				}
			}
		}
	}
}

func TestReader(t *testing.T) {
	big := message(wire.OpMsg, u32(0), body(doc("a", strings.Repeat("x", 3<<20))))
	small := message(wire.OpMsg, u32(0), body(doc("ping", 1)))
	var stream []byte
	want := [][]byte{small, small, big, small, big, big, small}
	for _, m := range want {
		stream = append(stream, m...)
	}
	reserved, most := 0, 0
	r := wire.NewReader(iotest.HalfReader(bytes.NewReader(stream)))
	r.Reserve = func(n int) error { reserved += n; most = max(most, reserved); return nil }
	r.Release = func(n int) { reserved -= n }
	for i, m := range want {
		got, err := r.Next()
		if err != nil {
			t.Fatalf("message %d: %v", i, err)
		}
		if !bytes.Equal(got, m) {
			t.Fatalf("message %d came as other bytes", i)
		}
	}
	if _, err := r.Next(); err != io.EOF {
		t.Errorf("at the end: %v, want EOF", err)
	}
	r.Close()
	if reserved != 0 || most < 3<<20 || most > 8<<20 {
		t.Errorf("%d bytes are still reserved, at most %d were", reserved, most)
	}
}

func TestReaderRefuses(t *testing.T) {
	small := message(wire.OpMsg, u32(0), body(doc("ping", 1)))
	for _, tt := range []struct {
		name string
		in   []byte
		want error
	}{
		{"a header cut off", small[:9], io.ErrUnexpectedEOF},
		{"a body cut off", small[:20], io.ErrUnexpectedEOF},
		{"a length below the header's", append(u32(15), small[4:]...), wire.ErrProtocol},
		{"a negative length", append(u32(0x80000000), small[4:]...), wire.ErrProtocol},
		{"a giant length", append(u32(wire.MaxMessage+1), small[4:]...), wire.ErrProtocol},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"), wire.ErrProtocol},
	} {
		if _, err := wire.NewReader(bytes.NewReader(tt.in)).Next(); !errors.Is(err, tt.want) {
			t.Errorf("%s: got %v, want %v", tt.name, err, tt.want)
		}
	}
}

// FuzzParse feeds messages to the parser: it must not panic, and what it accepts
// must be valid documents.
func FuzzParse(f *testing.F) {
	ping := doc("ping", 1, "$db", "admin")
	f.Add(message(wire.OpMsg, u32(0), body(ping), sequence("documents", ping, ping)))
	f.Add(withChecksum(message(wire.OpMsg, u32(wire.ChecksumPresent), body(ping))))
	f.Add(message(wire.OpQuery, u32(4), []byte("admin.$cmd\x00"), u32(0), u32(1), ping))
	f.Add(message(wire.OpCompressed, u32(uint32(wire.OpMsg)), u32(uint32(len(ping)+5)), []byte{0}, u32(0), body(ping)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var m wire.Message
		if _, err := m.Parse(raw, nil); err != nil {
			return
		}
		docs := [][]byte{m.Body}
		for _, s := range m.Sequences {
			for _, d := range s.Docs {
				docs = append(docs, d)
			}
		}
		for _, d := range docs {
			if err := bsonx.ValidateDepth(d, bsonx.MaxMessageDepth); err != nil {
				t.Fatalf("accepted %x: %v", d, err)
			}
		}
	})
}
