package store

import (
	"errors"
	"sync"
	"time"
)

// readerPool keeps a few readers between point reads: to make the engine's
// iterator costs more than to use it. A reader serves every view whose LSNs are
// not after the moment it was made; what is older than a later write's need is
// closed when it is met. Idle readers keep old files alive, so none stays longer
// than about idleTime.
type readerPool struct {
	mu     sync.Mutex
	idle   []*Reader
	armed  bool // a drain is scheduled
	closed bool
}

const (
	maxIdle  = 16
	idleTime = time.Second
)

// borrow returns a reader that sees a view; give it back.
func (s *Store) borrow(v []Level) *Reader {
	now := s.Visible().LSN
	need := LSN(0)
	for _, l := range v {
		need = max(need, min(l.LSN, now))
	}
	p := &s.readers
	var stale *Reader
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		r := p.idle[n-1]
		p.idle = p.idle[:n-1]
		if r.asOf >= need {
			p.mu.Unlock()
			return r
		}
		stale = r
	}
	p.mu.Unlock()
	if stale != nil {
		if stale.Close() == nil {
			stale.asOf = now
			return stale // its buffers are good
		}
	}
	return &Reader{s: s, asOf: now}
}

// giveBack keeps the reader for the next, unless its iterator failed.
func (s *Store) giveBack(r *Reader, failed error) error {
	p := &s.readers
	if failed == nil {
		p.mu.Lock()
		if !p.closed && len(p.idle) < maxIdle {
			p.idle = append(p.idle, r)
			if !p.armed {
				p.armed = true
				time.AfterFunc(idleTime, p.expire)
			}
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
	}
	return errors.Join(failed, r.Close())
}

// expire closes the idle readers; the next one that comes back arms it again.
func (p *readerPool) expire() { _ = p.drain(false) }

// drain closes all idle readers, for good when last.
func (p *readerPool) drain(last bool) error {
	p.mu.Lock()
	defer p.mu.Unlock() // also while closing: the store must not close before
	var err error
	for _, r := range p.idle {
		err = errors.Join(err, r.Close())
	}
	p.idle, p.armed, p.closed = nil, false, p.closed || last
	return err
}
