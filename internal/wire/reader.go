package wire

import (
	"io"
)

// Buffer sizes of a connection, in bytes.
const (
	startBuffer = 8 << 10
	// keepBuffer is the most that a connection keeps between messages.
	keepBuffer = 256 << 10
	// growStep bounds how much is reserved before its bytes have arrived.
	growStep = 1 << 20
)

// Reader reads whole messages of a connection. Not safe for concurrent use.
type Reader struct {
	r        io.Reader
	buf      []byte
	from, to int // what was read and not returned yet
	// Reserve, when set, is asked before the buffer grows beyond its usual size,
	// with the number of bytes; Release gets them back.
	Reserve  func(n int) error
	Release  func(n int)
	reserved int
}

// NewReader returns a reader of r.
func NewReader(r io.Reader) *Reader { return &Reader{r: r} }

// Next returns the next whole message, which is valid until the following call.
// Errors: io.EOF between messages, io.ErrUnexpectedEOF within one, ErrProtocol
// for an impossible length, and what Reserve and the connection return.
func (r *Reader) Next() ([]byte, error) {
	r.shrink()
	if err := r.fill(HeaderSize); err != nil {
		return nil, err
	}
	n := int(parseHeader(r.buf[r.from:]).Length)
	if n < HeaderSize || n > MaxMessage {
		return nil, ErrProtocol
	}
	if err := r.fill(n); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	msg := r.buf[r.from : r.from+n : r.from+n]
	r.from += n
	return msg, nil
}

// Buffered reports whether bytes of a further message are here already.
func (r *Reader) Buffered() bool { return r.to > r.from }

// Close gives reserved memory back.
func (r *Reader) Close() {
	r.buf = nil
	r.giveBack()
}

func (r *Reader) giveBack() {
	if r.reserved > 0 {
		r.Release(r.reserved)
		r.reserved = 0
	}
}

// shrink drops a buffer that a large message left behind.
func (r *Reader) shrink() {
	if len(r.buf) > keepBuffer && r.to-r.from <= startBuffer {
		small := make([]byte, startBuffer)
		r.to = copy(small, r.buf[r.from:r.to])
		r.from, r.buf = 0, small
		r.giveBack()
	}
}

// fill reads until n bytes are there.
func (r *Reader) fill(n int) error {
	for r.to-r.from < n {
		if err := r.room(n); err != nil {
			return err
		}
		got, err := r.r.Read(r.buf[r.to:])
		r.to += got
		if err != nil && r.to-r.from < n {
			if err == io.EOF && r.to > r.from {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
	}
	return nil
}

// room makes space for at least one more byte of a message of n bytes.
func (r *Reader) room(n int) error {
	if r.from == r.to {
		r.from, r.to = 0, 0
	}
	if r.to < len(r.buf) && len(r.buf)-r.from >= n {
		return nil
	}
	have := r.to - r.from
	if r.from > 0 && len(r.buf) >= n { // only move down
		copy(r.buf, r.buf[r.from:r.to])
		r.from, r.to = 0, have
		return nil
	}
	if r.to < len(r.buf) && r.from == 0 { // still filling what was reserved so far
		return nil
	}
	size := max(startBuffer, min(n, max(2*len(r.buf), have+growStep)))
	if err := r.reserve(size); err != nil {
		return err
	}
	grown := make([]byte, size)
	copy(grown, r.buf[r.from:r.to])
	r.buf, r.from, r.to = grown, 0, have
	return nil
}

func (r *Reader) reserve(size int) error {
	if r.Reserve == nil || size <= keepBuffer {
		return nil
	}
	if err := r.Reserve(size - r.reserved); err != nil {
		return err
	}
	r.reserved = size
	return nil
}
