// Package script runs the JavaScript of $function, $accumulator, $where and
// mapReduce. The engine is goja, which has no access to files, processes or the
// network; it runs in a process of its own (a worker), so that a script that
// loops, recurses or allocates without end costs that process only: the server
// kills it when the command is interrupted or out of time, and it ends itself
// when its heap is too large.
//
// A Session is one command's scripts: global variables last as long as it. Values
// cross as BSON and are mapped as MongoDB's shell does (NumberLong, ObjectId, …).
package script

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Limits of scripts.
const (
	// maxWorkers is how many commands can run scripts at once.
	maxWorkers = 64
	// maxIdle is how many workers wait for the next command.
	maxIdle = 2
	// callTimeout is how long one call may take (MongoDB:
	// internalQueryJavaScriptFnTimeoutMillis).
	callTimeout = 60 * time.Second
	// watchEvery is how often a running call is looked at.
	watchEvery = 20 * time.Millisecond
	// maxHeap is how much a worker may hold, in bytes.
	maxHeap = 256 << 20
	// maxStack is a worker's Go stack, in bytes.
	maxStack = 128 << 20
	// maxMessage is the largest message between server and worker, in bytes.
	maxMessage = 128 << 20
)

// Link is a connection to a worker: Close ends the worker at once.
type Link interface {
	io.ReadWriteCloser
}

// Pool starts workers and keeps idle ones. Safe for concurrent use.
type Pool struct {
	// Start begins a worker. Nil starts this program with the argument Verb.
	Start func() (Link, error)

	mu   sync.Mutex
	idle []Link
	used int
}

// Verb is the command line's argument that makes the program a worker.
const Verb = "script-worker"

// process is a worker in a process of its own.
type process struct {
	io.Reader
	io.Writer
	cmd  *exec.Cmd
	once sync.Once
}

// Close implements io.Closer.
func (p *process) Close() error {
	p.once.Do(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
	})
	return nil
}

func startProcess() (Link, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(self, Verb)
	cmd.Env = []string{} // nothing of the server's
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &process{Reader: out, Writer: in, cmd: cmd}, nil
}

func (p *Pool) take() (Link, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used >= maxWorkers {
		return nil, errcode.New(errcode.JSInterpreterFailure, "more than %d commands run JavaScript; try again", maxWorkers)
	}
	p.used++
	if n := len(p.idle); n > 0 {
		l := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return l, nil
	}
	start := p.Start
	if start == nil {
		start = startProcess
	}
	l, err := start()
	if err != nil {
		p.used--
		return nil, errcode.New(errcode.JSInterpreterFailure, "cannot start the JavaScript engine: %v", err)
	}
	return l, nil
}

// give takes a worker back; one that is broken is closed.
func (p *Pool) give(l Link, ok bool) {
	p.mu.Lock()
	p.used--
	if ok = ok && len(p.idle) < maxIdle; ok {
		p.idle = append(p.idle, l)
	}
	p.mu.Unlock()
	if !ok {
		_ = l.Close()
	}
}

// Close ends the idle workers.
func (p *Pool) Close() error {
	p.mu.Lock()
	idle := p.idle
	p.idle = nil
	p.mu.Unlock()
	for _, l := range idle {
		_ = l.Close()
	}
	return nil
}

// Session is the scripts of one command. Calls are made one after the other.
type Session struct {
	pool      *Pool
	interrupt func() error
	mu        sync.Mutex
	globals   bsonx.Doc
	link      Link
	buf       []byte
}

// Session begins a command; interrupt (may be nil) is asked during calls whether
// it is to end. Nothing is started before the first call.
func (p *Pool) Session(interrupt func() error) *Session {
	return &Session{pool: p, interrupt: interrupt}
}

// SetGlobals gives scripts global variables, before the first call.
func (s *Session) SetGlobals(d bsonx.Doc) { s.globals = d }

// Close ends the session. It may be used again.
func (s *Session) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		return
	}
	_, err := s.send(request{op: opReset}.encode(s.buf[:0]))
	if s.link != nil {
		s.pool.give(s.link, err == nil)
		s.link = nil
	}
}

// Call calls a function, given as source text, and returns its result.
func (s *Session) Call(code string, this bsonx.Value, args []bsonx.Value) (bsonx.Value, error) {
	return s.do(request{op: opCall, code: code, this: this, args: args})
}

// Fold calls a function with a state and the elements of each of calls (arrays) in
// turn: what it returns is the state for the next call.
func (s *Session) Fold(code string, state bsonx.Value, calls []bsonx.Value) (bsonx.Value, error) {
	return s.do(request{op: opFold, code: code, this: state, args: calls})
}

// Emit calls a map function on a document and returns what it emitted, an array of
// {k, v}.
func (s *Session) Emit(code string, doc bsonx.Value) (bsonx.Value, error) {
	return s.do(request{op: opEmit, code: code, this: doc})
}

func (s *Session) do(r request) (bsonx.Value, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.link == nil {
		l, err := s.pool.take()
		if err != nil {
			return bsonx.Value{}, err
		}
		s.link = l
		if s.globals != nil {
			if _, err := s.send(request{op: opGlobals, this: bsonx.DocValue(s.globals)}.encode(s.buf[:0])); err != nil {
				return bsonx.Value{}, err
			}
		}
	}
	return s.send(r.encode(s.buf[:0]))
}

// send makes one exchange with the worker under the limits of time. The result
// stays valid.
func (s *Session) send(msg []byte) (bsonx.Value, error) {
	s.buf = msg
	link := s.link
	var cause atomic.Pointer[error]
	var left atomic.Int64
	left.Store(int64(callTimeout / watchEvery))
	var watch *time.Timer
	done := make(chan struct{})
	watch = time.AfterFunc(watchEvery, func() {
		var err error
		if s.interrupt != nil {
			err = s.interrupt()
		}
		if err == nil && left.Add(-1) <= 0 {
			err = errcode.New(errcode.JSInterpreterFailure, "JavaScript ran for longer than %s and was ended", callTimeout)
		}
		if err != nil {
			cause.Store(&err)
			_ = link.Close()
			return
		}
		select {
		case <-done:
		default:
			watch.Reset(watchEvery)
		}
	})
	_, err := link.Write(msg)
	var reply bsonx.Doc
	if err == nil {
		reply, err = readMessage(link)
	}
	close(done)
	watch.Stop()
	if err != nil {
		s.link = nil
		s.pool.give(link, false)
		if c := cause.Load(); c != nil {
			return bsonx.Value{}, *c
		}
		return bsonx.Value{}, errcode.New(errcode.JSInterpreterFailure,
			"the JavaScript engine ended: the script used too much memory (limit: %d bytes) or recursed too deeply", maxHeap)
	}
	if e := bsonx.Lookup(reply, "error"); e.Type == bsonx.String {
		code, _ := bsonx.IntegralOK(bsonx.Lookup(reply, "code"))
		return bsonx.Value{}, errcode.New(errcode.Code(code), "%s", bsonx.Str(e))
	}
	return bsonx.Lookup(reply, "v"), nil
}

var errMessage = errors.New("script: bad message")
