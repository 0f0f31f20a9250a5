package command

import (
	"context"
	"math"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/txn"
)

// maxDrift is how far a client's $clusterTime may be ahead of the server's clock:
// MongoDB's maxAcceptableLogicalClockDriftSecs, a year.
const maxDrift = 365 * 24 * 60 * 60

// gossip takes over the cluster time that a client has seen elsewhere. With access
// control only who may advance it does so: nobody else has seen another server's,
// and a far time would be everyone's.
func (rq *Request) gossip(doc bsonx.Value) error {
	s := rq.Services
	if s.AuthRequired && !rq.holds(auth.Of(auth.AdvanceClusterTime), auth.ClusterTarget()) {
		return nil
	}
	if doc.Type != bsonx.Object || s.Txns == nil {
		return nil
	}
	v := bsonx.Lookup(doc.Data, "clusterTime")
	if v.Type != bsonx.Timestamp {
		return nil
	}
	ts := txn.Timestamp(bsonx.I64(v))
	if ts <= txn.Timestamp(s.clusterTime.Load()) || ts <= s.Txns.Visible().Timestamp {
		return nil
	}
	if now := s.Clock.Now().Unix(); int64(ts.T()) > now+maxDrift {
		return errcode.New(errcode.ClusterTimeFailsRateLimiter, "New cluster time, %d, is too far from this node's wall clock time, %d.", ts.T(), now)
	}
	s.Txns.AdvanceTimestamp(ts)
	for {
		old := s.clusterTime.Load()
		if uint64(ts) <= old || s.clusterTime.CompareAndSwap(old, uint64(ts)) {
			return nil
		}
	}
}

// UseStorage makes the times of commits the cluster's time. Call it once Txns is set.
func (s *Services) UseStorage() {
	now := s.ClusterTime
	s.ClusterTime = func() (t, i uint32) {
		if ts := max(s.Txns.Visible().Timestamp, txn.Timestamp(s.clusterTime.Load())); ts != 0 {
			return ts.T(), ts.I()
		}
		return now()
	}
}

// latest is the newest moment that a client may have heard of.
func (s *Services) latest() txn.Timestamp {
	now := uint64(s.Clock.Now().Unix())<<32 | math.MaxUint32
	return max(s.Txns.Visible().Timestamp, txn.Timestamp(s.clusterTime.Load()), txn.Timestamp(now))
}

// awaitReadConcern waits until the command may read: afterClusterTime is visible
// and nothing before atClusterTime is still to come.
func (rq *Request) awaitReadConcern(ctx context.Context) error {
	s, rc := rq.Services, &rq.ReadConcern
	if s.Txns == nil {
		return nil
	}
	for _, v := range []struct {
		name string
		ts   txn.Timestamp
	}{{"afterClusterTime", timestampOf(rc.AfterClusterTime)}, {"atClusterTime", timestampOf(rc.AtClusterTime)}} {
		if v.ts == 0 {
			continue
		}
		if v.ts > s.latest() {
			if v.name == "atClusterTime" {
				continue // reported with the range that there is
			}
			t, i := s.ClusterTime()
			return errcode.New(errcode.InvalidOptions, "readConcern %s value must not be greater than the current clusterTime. "+
				"Requested clusterTime: { ts: Timestamp(%d, %d) }; current clusterTime: { ts: Timestamp(%d, %d) }", v.name, v.ts.T(), v.ts.I(), t, i)
		}
		if err := s.Txns.Settle(ctx, v.ts); err != nil {
			return err
		}
	}
	return nil
}

// timestampOf reads a timestamp; 0 when there is none.
func timestampOf(v bsonx.Value) txn.Timestamp {
	if v.Type != bsonx.Timestamp {
		return 0
	}
	return txn.Timestamp(bsonx.I64(v))
}

// snapshot makes a read of level "snapshot", outside of a transaction, one of
// the moment that it names, or of now. The moment goes into the reply, so that
// the client can read it again.
func (rq *Request) snapshot(ctx context.Context, s *source) error {
	if rq.ReadConcern.Level != "snapshot" {
		return nil
	}
	if s.at = timestampOf(rq.ReadConcern.AtClusterTime); s.at != 0 {
		rq.snapshotTime = s.at
		return nil
	}
	if rq.snapshotTime = s.tx.SnapshotStamp().Timestamp; rq.snapshotTime != 0 {
		return nil
	}
	t, i := rq.Services.ClusterTime() // before the first commit
	rq.snapshotTime = txn.Timestamp(uint64(t)<<32 | uint64(i))
	return rq.Services.Txns.Settle(ctx, rq.snapshotTime)
}

// appendSnapshotTime appends atClusterTime for a read of level "snapshot".
func appendSnapshotTime(b *bsonx.Builder, ts txn.Timestamp) {
	if ts != 0 {
		b.Timestamp("atClusterTime", ts.T(), ts.I())
	}
}
