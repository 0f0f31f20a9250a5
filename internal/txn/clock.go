package txn

import (
	"context"

	"github.com/argon-db/argon/internal/wal"
)

// SnapshotStamp returns the stamp of the newest commit that the transaction's
// snapshot sees, if it began at the newest; the zero stamp before any commit.
func (t *Txn) SnapshotStamp() Stamp { return t.pin.stamp }

// Visible returns the stamp of the newest commit that readers see.
func (m *Manager) Visible() Stamp { return m.store.Visible() }

// AdvanceTimestamp makes the timestamps of later commits greater than ts. The
// caller checks that ts is not absurd.
func (m *Manager) AdvanceTimestamp(ts Timestamp) { m.store.AdvanceTimestamp(ts) }

// AtTimestamp returns the newest visible commit whose timestamp is not after ts.
func (m *Manager) AtTimestamp(ts Timestamp) (Stamp, error) { return m.store.AtTimestamp(ts) }

// Settle makes what a read as of ts sees final: later commits get greater
// timestamps, and it waits until those that have one already are visible.
func (m *Manager) Settle(ctx context.Context, ts wal.Timestamp) error {
	if m.store.Visible().Timestamp >= ts {
		return nil
	}
	m.store.AdvanceTimestamp(ts)
	last := m.store.LastAssigned().LSN
	for {
		at := m.store.Visible().LSN
		if at >= last {
			return nil
		}
		if _, err := m.store.Wait(ctx, at); err != nil {
			return ctxError(ctx)
		}
	}
}
