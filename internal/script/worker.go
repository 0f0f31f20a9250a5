package script

import (
	"bufio"
	"encoding/binary"
	"io"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Operations of a request.
const (
	opCall = iota
	opFold
	opEmit
	opGlobals
	opReset
)

// request is what the server asks of a worker: a BSON document {op, code, this,
// args} on the wire. A reply is {v: result} or {error, code}.
type request struct {
	op   int32
	code string
	this bsonx.Value
	args []bsonx.Value
}

func (r request) encode(dst []byte) []byte {
	var b bsonx.Builder
	b.Begin(dst)
	b.Int32("op", r.op)
	b.String("code", r.code)
	if !bsonx.IsMissing(r.this) {
		b.Value("this", r.this)
	}
	at := b.OpenArray("args")
	for i, v := range r.args {
		if bsonx.IsMissing(v) {
			v = bsonx.Value{Type: bsonx.Undefined}
		}
		b.Value(bsonx.Index(i), v)
	}
	b.Close(at)
	return b.Done()
}

func decode(d bsonx.Doc) request {
	op, _ := bsonx.IntegralOK(bsonx.Lookup(d, "op"))
	r := request{op: int32(op), code: string(bsonx.Str(bsonx.Lookup(d, "code"))), this: bsonx.Lookup(d, "this")}
	if a := bsonx.Lookup(d, "args"); a.Type == bsonx.Array {
		r.args = bsonx.Values(nil, a.Data)
	}
	return r
}

// readMessage reads one document; its bytes are new.
func readMessage(r io.Reader) (bsonx.Doc, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.LittleEndian.Uint32(head[:])
	if n < 5 || n > maxMessage {
		return nil, errMessage
	}
	d := make([]byte, n)
	copy(d, head[:])
	_, err := io.ReadFull(r, d[4:])
	return d, err
}

// Main is the worker process: it serves the server on stdin and stdout, and ends
// with it.
func Main() {
	debug.SetMaxStack(maxStack)
	debug.SetMemoryLimit(maxHeap / 2)
	go guard()
	in := make(chan bsonx.Doc)
	go func() {
		r := bufio.NewReaderSize(os.Stdin, 64<<10)
		for {
			d, err := readMessage(r)
			if err != nil {
				os.Exit(0) // the server is gone, or is done with us, also in a loop
			}
			in <- d
		}
	}()
	e := newEngine()
	for d := range in {
		if e = e.serve(d, os.Stdout); e == nil {
			return
		}
	}
}

// guard ends the process when its heap is too large.
func guard() {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	for {
		time.Sleep(2 * time.Millisecond)
		if metrics.Read(s); s[0].Value.Uint64() > maxHeap {
			os.Exit(2)
		}
	}
}

// Serve is a worker in this process, for tests: without the limits of one.
func Serve(rw io.ReadWriter) {
	e := newEngine()
	for e != nil {
		d, err := readMessage(rw)
		if err != nil {
			return
		}
		e = e.serve(d, rw)
	}
}

// serve answers one request; it returns the engine for the next one, nil at the
// end of the connection.
func (e *engine) serve(d bsonx.Doc, w io.Writer) *engine {
	r := decode(d)
	var b bsonx.Builder
	b.Begin(nil)
	var err error
	switch r.op {
	case opReset:
		e = newEngine()
	case opGlobals:
		err = e.setGlobals(r.this.Data)
	default:
		err = e.answer(&b, r)
	}
	if err != nil {
		b.Reset()
		b.String("error", err.Error())
		code := errcode.JSInterpreterFailure
		if c := new(scriptError); asScriptError(err, c) {
			code = c.code
		}
		b.Int32("code", int32(code))
	}
	if _, err := w.Write(b.Done()); err != nil {
		return nil
	}
	return e
}
