package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/argon-db/argon/internal/wal"
)

// Commit makes the batch durable as one commit and returns its stamp once it is
// synced and visible. It writes a log record even when the batch has none but
// control records.
//
// check, when not nil, is called with the stamp that the commit will get, while
// no other commit can be assigned one, after every earlier commit can be found by
// LatestLSN: a conflict check in it is atomic with the assignment. When it fails
// nothing is written and Commit returns its error; the batch may then be changed
// no more, but committed again or closed. check must be quick and must not call
// Commit.
//
// The context is looked at before the assignment; after it Commit waits for the
// disk whatever happens. An error that wraps ErrPoisoned leaves the outcome open
// until a restart: the commit may or may not be found then.
func (s *Store) Commit(ctx context.Context, b *Batch, check func(Stamp) error) (Stamp, error) {
	if err := ctx.Err(); err != nil {
		return Stamp{}, err
	}
	if err := s.writable(); err != nil {
		return Stamp{}, err
	}
	if err := b.seal(); err != nil {
		return Stamp{}, err
	}
	s.waiting.Add(1)
	defer s.waiting.Add(-1)
	st, err := s.enqueue(b, check)
	if err != nil {
		return Stamp{}, err
	}
	err = b.pb.SyncWait()
	b.Close()
	if err != nil {
		return Stamp{}, s.fail(fmt.Errorf("sync the log: %w", err))
	}
	if err := s.Err(); err != nil {
		return Stamp{}, err
	}
	// The engine's log is synced from front to back and LSNs are in its order, so
	// every smaller LSN is durable, too, though its own Commit may not know yet.
	s.watch.Publish(st)
	return st, nil
}

// errNothingWritten marks errors before anything was written.
var errNothingWritten = errors.New("store: nothing written")

// enqueue assigns the LSN and puts the batch into the engine's log and memtable.
func (s *Store) enqueue(b *Batch, check func(Stamp) error) (st Stamp, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.writable(); err != nil { // again: it may have failed while we waited
		return Stamp{}, err
	}
	prev := s.last
	prev.Timestamp = max(prev.Timestamp, s.floor)
	st = prev.After(s.clock.Now().UnixMilli())
	if check != nil {
		if err := check(st); err != nil {
			return Stamp{}, err
		}
	}
	if err := b.stamp(st); err != nil {
		return Stamp{}, err
	}
	size := b.pb.Len()
	if err := s.apply(b.pb, false); err != nil {
		return Stamp{}, err
	}
	s.last = st
	s.keepTallies(b)
	if d := s.pressure.add(size, s.sublevels); d > 0 {
		time.Sleep(d) // with the mutex: everybody waits
	}
	return st, nil
}

// apply hands a batch to the engine, which panics when it cannot write its log.
func (s *Store) apply(pb *pebble.Batch, wait bool) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.fail(fmt.Errorf("write the log: %v", r))
		}
	}()
	if wait {
		err = s.db.Apply(pb, pebble.Sync)
	} else {
		err = s.db.ApplyNoSyncWait(pb, pebble.Sync)
	}
	if err != nil {
		return s.fail(err)
	}
	return s.Err()
}

// CommitControl makes a batch of nothing but control records and drops durable,
// without an LSN and a log record.
func (s *Store) CommitControl(ctx context.Context, b *Batch) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := s.writable(); err != nil {
		return err
	}
	if len(b.ops) > 0 || len(b.lsnAt) > 0 {
		return fmt.Errorf("%w: the batch has versions, which need Commit", errNothingWritten)
	}
	defer b.Close()
	if err := s.apply(b.pb, true); err != nil {
		return err
	}
	s.mu.Lock()
	s.keepTallies(b)
	s.mu.Unlock()
	return nil
}

// setSync durably writes one of the store's own records.
func (s *Store) setSync(key, value []byte) error {
	pb := s.db.NewBatch()
	defer pb.Close()
	if err := pb.Set(key, value, nil); err != nil {
		return err
	}
	return s.apply(pb, true)
}

// AdvanceTimestamp makes the timestamps of later commits greater than ts, as a
// client's $clusterTime asks for. The caller checks that ts is not absurd.
func (s *Store) AdvanceTimestamp(ts wal.Timestamp) {
	s.mu.Lock()
	s.floor = max(s.floor, ts)
	s.mu.Unlock()
}

// LastAssigned returns the newest stamp that was given out, whether it is durable
// and visible or not.
func (s *Store) LastAssigned() Stamp {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
