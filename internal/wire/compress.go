package wire

import (
	"bytes"
	"encoding/binary"
	"io"
	"sync"

	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// CompressorID names a compressor on the wire.
type CompressorID uint8

// The compressors of OP_COMPRESSED.
const (
	NoCompressor CompressorID = 0
	Snappy       CompressorID = 1
	Zlib         CompressorID = 2
	Zstd         CompressorID = 3
)

// Compressors lists the names that hello may agree on.
func Compressors() []string { return []string{"snappy", "zstd", "zlib"} }

// compressedHead is what stands before the compressed bytes: the opcode inside,
// its length without a header, the compressor.
const compressedHead = 9

// unpack decompresses an OP_COMPRESSED into scratch and makes m's header that of
// the message inside.
func (m *Message) unpack(b, scratch []byte) (body, grown []byte, err error) {
	if len(b) < compressedHead {
		return nil, scratch, ErrProtocol
	}
	op := OpCode(binary.LittleEndian.Uint32(b))
	n := int(int32(binary.LittleEndian.Uint32(b[4:])))
	id := CompressorID(b[8])
	if op == OpCompressed || n < 0 || n > MaxMessage-HeaderSize {
		return nil, scratch, ErrProtocol
	}
	m.Header.Op, m.Compressor = op, id
	if scratch, err = decompress(id, b[compressedHead:], scratch[:0], n); err != nil || len(scratch) != n {
		return nil, scratch[:0], ErrProtocol
	}
	return scratch, scratch, nil
}

// decompress appends the n bytes that src unpacks to. More or fewer is an error;
// memory grows with what was really unpacked, never on the word of a header.
func decompress(id CompressorID, src, dst []byte, n int) ([]byte, error) {
	switch id {
	case NoCompressor:
		return append(dst, src...), nil
	case Snappy:
		if got, err := snappy.DecodedLen(src); err != nil || got != n || n > len(src)*maxRatio {
			return dst, ErrProtocol
		}
		if cap(dst) < n {
			dst = make([]byte, n)
		}
		return snappy.Decode(dst[:n], src)
	case Zlib:
		zr, err := zlib.NewReader(bytes.NewReader(src))
		if err != nil {
			return dst, err
		}
		defer func() { _ = zr.Close() }()
		return readExactly(zr, dst, n)
	case Zstd:
		zr, ok := zstdReaders.Get().(*zstd.Decoder)
		if !ok {
			return dst, ErrProtocol
		}
		defer zstdReaders.Put(zr)
		if err := zr.Reset(bytes.NewReader(src)); err != nil {
			return dst, err
		}
		return readExactly(zr, dst, n)
	}
	return dst, ErrProtocol
}

// maxRatio is a little above what snappy can reach (64 bytes from 3).
const maxRatio = 32

func readExactly(r io.Reader, dst []byte, n int) ([]byte, error) {
	buf := bytes.NewBuffer(dst)
	got, err := io.Copy(buf, io.LimitReader(r, int64(n)+1))
	if err != nil {
		return buf.Bytes(), err
	}
	if got != int64(n) {
		return buf.Bytes(), ErrProtocol
	}
	return buf.Bytes(), nil
}

// The codecs are costly to make and hold no state between messages.
var (
	zstdReaders = sync.Pool{New: func() any {
		d, err := zstd.NewReader(nil, zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(2*MaxMessage))
		if err != nil {
			return nil
		}
		return d
	}}
	zstdWriters = sync.Pool{New: func() any {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			return nil
		}
		return e
	}}
	zlibWriters = sync.Pool{New: func() any { return zlib.NewWriter(nil) }}
)

// compress appends src, compressed, to dst; ok is false when there is no such
// compressor.
func compress(id CompressorID, dst, src []byte) (out []byte, ok bool) {
	switch id {
	case Snappy:
		return append(dst, snappy.Encode(nil, src)...), true
	case Zlib:
		zw, isWriter := zlibWriters.Get().(*zlib.Writer)
		if !isWriter {
			return dst, false
		}
		defer zlibWriters.Put(zw)
		buf := bytes.NewBuffer(dst)
		zw.Reset(buf)
		_, err := zw.Write(src)
		if cerr := zw.Close(); err != nil || cerr != nil {
			return dst, false
		}
		return buf.Bytes(), true
	case Zstd:
		zw, isWriter := zstdWriters.Get().(*zstd.Encoder)
		if !isWriter {
			return dst, false
		}
		defer zstdWriters.Put(zw)
		return zw.EncodeAll(src, dst), true
	}
	return dst, false
}
