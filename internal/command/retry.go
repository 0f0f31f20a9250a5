package command

import (
	"context"
	"slices"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/txn"
)

// Retryable writes. A write command is one commit, so what a retry has to repeat
// is one reply. It is stored by the session's id in the same commit as the write
// itself, so that a retry finds it exactly when the write happened, also after a
// crash:
//
//	retry/ user NUL uuid → {n: txnNumber, p: phase, at: date, o: [{s: stmtId, r: reply}]}
//
// A write command calls keepOutcome before it commits and outcomeKept after;
// the dispatcher answers a retry without calling the command. A transaction's
// commit keeps its phase in the same way.
const retryPrefix = "retry/"

func retryKey(id session.SessionID) []byte {
	k := append([]byte(retryPrefix), id.User...)
	k = append(k, 0)
	return append(k, id.UUID[:]...)
}

// retryable reports whether the command is a retryable write.
func (rq *Request) retryable() bool { return rq.TxnNumber >= 0 && !rq.InTxn }

// stmtID is the id of the command's first statement: that of a retry is the same.
func (rq *Request) stmtID() int32 {
	if v := rq.Args.Generic.Get(idl.StmtID); v.Type == bsonx.Int32 {
		return bsonx.I32(v)
	}
	if v := rq.Args.Generic.Get(idl.StmtIDs); v.Type == bsonx.Array {
		return int32(idl.ToInt64(bsonx.LookupIndex(v.Data, 0)))
	}
	return 0
}

// keepOutcome makes the reply's fields part of tx's commit, when the command is
// a retryable write; otherwise it does nothing. Call outcomeKept after the commit.
func (rq *Request) keepOutcome(tx *txn.Txn, reply func(b *bsonx.Builder)) {
	if !rq.retryable() {
		return
	}
	b := bsonx.NewDoc(nil)
	reply(b)
	rq.outcome = b.Done()
	tx.PutControl(retryKey(rq.Session.ID), rq.retryRecord(session.Retryable))
}

// outcomeKept makes the outcome that was committed known to later retries.
func (rq *Request) outcomeKept() {
	if rq.outcome == nil {
		return
	}
	t := rq.Session.Txn
	if t.Outcomes == nil {
		t.Outcomes = map[int32]bsonx.Doc{}
	}
	t.Outcomes[rq.stmtID()] = small(rq.outcome)
}

// retryRecord is the stored form of the session's newest transaction number.
func (rq *Request) retryRecord(phase session.TxnPhase) []byte {
	t := rq.Session.Txn
	b := bsonx.NewDoc(nil)
	b.Int64("n", t.Number)
	b.Int32("p", int32(phase))
	b.Date("at", rq.Services.Clock.Now().UnixMilli())
	at := b.OpenArray("o")
	n := 0
	add := func(id int32, reply bsonx.Doc) {
		in := b.OpenDoc(bsonx.Index(n))
		b.Int32("s", id)
		b.Doc("r", reply)
		b.Close(in)
		n++
	}
	own := rq.stmtID()
	var stored map[int32]bsonx.Doc
	for id, d := range t.Outcomes {
		if d == nil && stored == nil && id != own {
			stored = rq.storedOutcomes()
		}
		switch {
		case id == own:
		case d != nil:
			add(id, d)
		case stored[id] != nil:
			add(id, stored[id])
		}
	}
	if rq.outcome != nil {
		add(own, rq.outcome)
	}
	b.Close(at)
	return b.Done()
}

// loadRetry reads what an earlier run of the server kept of the session.
func (rq *Request) loadRetry() error {
	s := rq.Session
	if s.Loaded || rq.Services.Txns == nil {
		return nil
	}
	v, ok, err := rq.Services.Txns.Store().GetControl(retryKey(s.ID))
	if err != nil {
		return err
	}
	s.Loaded = true
	if !ok || s.Txn != nil {
		return nil
	}
	t := &session.Transaction{Number: idl.ToInt64(bsonx.Lookup(v, "n")), Phase: session.TxnPhase(idl.ToInt64(bsonx.Lookup(v, "p"))),
		Outcomes: readOutcomes(v)}
	for id, d := range t.Outcomes {
		t.Outcomes[id] = small(d)
	}
	s.Txn = t
	return nil
}

// repeat answers a retry from the stored outcome, if there is one.
func (rq *Request) repeat(ctx context.Context, b *bsonx.Builder) (done bool, err error) {
	if !rq.retryable() {
		return false, nil
	}
	id := rq.stmtID()
	d, ok := rq.Session.Txn.Outcomes[id]
	if ok && d == nil {
		d, ok = rq.storedOutcomes()[id]
	}
	if !ok {
		return false, nil
	}
	if rq.Name == "bulkWrite" {
		if err := rq.repeatBulk(ctx, b, d); err != nil {
			return true, err
		}
	} else {
		for it := bsonx.NewIter(d); it.Next(); {
			b.Element(it.Element())
		}
	}
	at := b.OpenArray("retriedStmtIds")
	for i, id := range rq.stmtIDs() {
		b.Int32(bsonx.Index(i), id)
	}
	b.Close(at)
	return true, nil
}

// writeLists are the arguments with the statements of the write commands.
var writeLists = map[string]string{"insert": "documents", "update": "updates", "delete": "deletes", "bulkWrite": "ops"}

// stmtIDs are the ids of the command's statements.
func (rq *Request) stmtIDs() []int32 {
	n := 1
	if list := writeLists[rq.Name]; list != "" {
		n = max(len(rq.Docs(list)), 1)
	}
	ids := make([]int32, 0, n)
	if v := rq.Args.Generic.Get(idl.StmtIDs); v.Type == bsonx.Array {
		for it := bsonx.NewIter(v.Data); it.Next() && len(ids) < n; {
			ids = append(ids, int32(idl.ToInt64(it.Value())))
		}
		return ids
	}
	for i := range n {
		ids = append(ids, rq.stmtID()+int32(i))
	}
	return ids
}

// storedOutcomes reads the outcomes of the session's newest number as the last
// commit with one has left them.
func (rq *Request) storedOutcomes() map[int32]bsonx.Doc {
	v, ok, err := rq.Services.Txns.Store().GetControl(retryKey(rq.Session.ID))
	if err != nil || !ok || idl.ToInt64(bsonx.Lookup(v, "n")) != rq.Session.Txn.Number {
		return nil
	}
	return readOutcomes(v)
}

func readOutcomes(record bsonx.Doc) map[int32]bsonx.Doc {
	out := map[int32]bsonx.Doc{}
	for it := bsonx.NewIter(bsonx.Lookup(record, "o").Data); it.Next(); {
		e := it.Value().Data
		out[int32(idl.ToInt64(bsonx.Lookup(e, "s")))] = slices.Clone(bsonx.Doc(bsonx.Lookup(e, "r").Data))
	}
	return out
}

// keptInMemory is the size in bytes up to which an outcome stays in memory.
const keptInMemory = 512

// small returns an outcome as a session keeps it in memory.
func small(d bsonx.Doc) bsonx.Doc {
	if len(d) > keptInMemory {
		return nil
	}
	return d
}

// enterTxn checks the command's transaction number and takes the session, which
// leaveTxn gives back.
func (d *Dispatcher) enterTxn(ctx context.Context, rq *Request) error {
	if rq.TxnNumber < 0 {
		return nil
	}
	s, err := d.services.Sessions.CheckOut(ctx, rq.Session.ID)
	if err != nil {
		return err
	}
	rq.Session, rq.locked = s, true
	if err := rq.loadRetry(); err != nil {
		return err
	}
	life := time.Duration(d.services.Params.Int64("transactionLifetimeLimitSeconds")) * time.Second
	err = s.Enter(session.TxnStatement{Number: rq.TxnNumber, InTxn: rq.InTxn, Start: rq.StartTxn,
		Ends: rq.Spec.Flags&EndsTxn != 0, Now: d.services.Clock.Now(), Life: life})
	if err != nil {
		return err
	}
	if rq.StartTxn {
		s.Txn.ReadLevel = rq.ReadConcern.Level
		d.services.Stats.TxnStarted.Add(1)
	}
	return rq.checkTxnConcerns()
}

// checkTxnConcerns refuses concerns where a transaction does not take them: the
// read concern belongs to its first statement, the write concern to its end.
func (rq *Request) checkTxnConcerns() error {
	if !rq.InTxn {
		return nil
	}
	rc := &rq.ReadConcern
	switch {
	case rc.Given && !rq.StartTxn && (rc.Level != "" || rc.AtClusterTime.Type != 0 || rc.AfterClusterTime.Type != 0):
		return errcode.New(errcode.InvalidOptions, "Only the first command in a transaction may specify a readConcern")
	case rc.Level != "" && rc.Level != "local" && rc.Level != "majority" && rc.Level != "snapshot":
		return errcode.New(errcode.InvalidOptions, "The readConcern level must be either 'local' (default), 'majority' or 'snapshot' in order to run in a transaction")
	case rq.Args.Generic.Get(idl.WriteConcern).Type != bsonx.Missing && rq.Spec.Flags&EndsTxn == 0:
		return errcode.New(errcode.InvalidOptions, "writeConcern is not allowed within a multi-statement transaction")
	case rq.Spec.Flags&DDL != 0 && rq.Session.Txn.ReadLevel != "" && rq.Session.Txn.ReadLevel != "local":
		return errcode.New(errcode.InvalidOptions, "Command %s does not support this transaction's { readConcern: { level: \"%s\" } }: it takes 'local' only",
			rq.Name, rq.Session.Txn.ReadLevel)
	}
	return nil
}

// leaveTxn gives the session back. A statement that failed aborts its
// transaction, as in MongoDB.
func (d *Dispatcher) leaveTxn(rq *Request, err error) {
	if !rq.locked {
		return
	}
	if rq.InTxn && (err != nil || rq.FailTxn) && rq.Spec.Flags&EndsTxn == 0 && rq.Session.Txn != nil &&
		rq.Session.Txn.Number == rq.TxnNumber && !keepsTxn(err) && rq.Session.AbortTxn() {
		d.services.Stats.TxnAborted.Add(1)
	}
	rq.locked = false
	rq.Session.Unlock()
}

// keepsTxn reports whether an error says that the statement did not belong to
// the open transaction, which therefore goes on.
func keepsTxn(err error) bool {
	return errcode.Has(err, errcode.ConflictingOperationInProgress) || errcode.Has(err, errcode.TransactionTooOld)
}

// transient are the errors after which the whole transaction may be run again;
// those of retriable are too, but for its end.
var transient = map[errcode.Code]bool{
	errcode.WriteConflict: true, errcode.SnapshotUnavailable: true, errcode.LockTimeout: true,
	errcode.SnapshotTooOld: true, errcode.StaleChunkHistory: true, errcode.PreparedTransactionInProgress: true,
}

// retriable are the errors after which a retryable write, or a commit, may be
// sent again: MongoDB's category RetriableError.
var retriable = map[errcode.Code]bool{
	errcode.HostUnreachable: true, errcode.HostNotFound: true, errcode.NetworkTimeout: true, errcode.SocketException: true,
	errcode.ShutdownInProgress: true, errcode.InterruptedAtShutdown: true, errcode.InterruptedDueToReplStateChange: true,
	errcode.PrimarySteppedDown: true, errcode.NotWritablePrimary: true, errcode.NotPrimaryNoSecondaryOk: true,
	errcode.NotPrimaryOrSecondary: true, errcode.ExceededTimeLimit: true,
}

// label adds the labels that drivers decide by.
func (rq *Request) label(e *errcode.Error) *errcode.Error {
	if rq.Spec != nil && !rq.labelled && len(e.Labels) == 0 && rq.ofChangeStream() {
		e = errcode.As(labelled(nil, e))
	}
	if rq.Spec == nil || rq.TxnNumber < 0 || rq.labelled || slices.Contains(e.Labels, errcode.LabelTransientTransaction) {
		return e
	}
	ends := rq.Spec.Flags&EndsTxn != 0
	switch again := retriable[e.Code]; {
	case rq.InTxn && (transient[e.Code] || e.Code == errcode.NoSuchTransaction || again && !ends):
		return e.WithLabels(errcode.LabelTransientTransaction)
	case again && (!rq.InTxn || ends):
		return e.WithLabels(errcode.LabelRetryableWrite)
	}
	return e
}

// readAt returns the LSN that a transaction's atClusterTime stands for; 0 is now.
// Errors: SnapshotUnavailable for a time outside of the history.
func (rq *Request) readAt() (txn.LSN, error) {
	ts := timestampOf(rq.ReadConcern.AtClusterTime)
	if ts == 0 {
		return 0, nil
	}
	m := rq.Services.Txns
	if ts > rq.Services.latest() {
		return 0, errcode.New(errcode.SnapshotUnavailable, "the time %d.%d is in the future: the newest commit is of %d.%d",
			ts.T(), ts.I(), m.Visible().Timestamp.T(), m.Visible().Timestamp.I())
	}
	at, err := m.AtTimestamp(ts)
	if err == nil && at.LSN == 0 {
		err = errcode.New(errcode.SnapshotUnavailable, "the time %d.%d is before the history that is kept", ts.T(), ts.I())
	}
	return at.LSN, err
}

// retryLife is how long an outcome is kept: as long as its session can live
// without being used, and then some.
const retryLife = 2 * session.Timeout

// ExpireRetries drops the stored outcomes of sessions that are long over and
// returns how many.
func (s *Services) ExpireRetries(ctx context.Context) (int, error) {
	if s.Txns == nil {
		return 0, nil
	}
	limit := s.Clock.Now().Add(-retryLife).UnixMilli()
	var old []session.SessionID
	err := s.Txns.Store().ScanControl([]byte(retryPrefix), func(key, value []byte) error {
		if !keptSince(value, limit) && len(key) > len(retryPrefix)+16 {
			id := session.SessionID{User: string(key[len(retryPrefix) : len(key)-17])}
			copy(id.UUID[:], key[len(key)-16:])
			old = append(old, id)
		}
		return ctx.Err()
	})
	n := 0
	for len(old) > 0 && err == nil {
		few := old[:min(len(old), 100)]
		old = old[len(few):]
		var dropped int
		dropped, err = s.dropRetries(ctx, few, limit)
		n += dropped
	}
	return n, err
}

func keptSince(record bsonx.Doc, limit int64) bool {
	at := bsonx.Lookup(record, "at")
	return at.Type == bsonx.Date && bsonx.I64(at) >= limit
}

// dropRetries drops the outcomes of sessions in one commit. It holds the
// sessions meanwhile, so that nobody's new outcome is dropped.
func (s *Services) dropRetries(ctx context.Context, ids []session.SessionID, limit int64) (n int, err error) {
	st := s.Txns.Store()
	b := st.NewBatch()
	var over []session.SessionID
	for _, id := range ids {
		if s.Sessions.Find(id) != nil {
			continue // in use after all: its next write keeps another outcome
		}
		ses, err := s.Sessions.CheckOut(ctx, id)
		if err != nil {
			break
		}
		defer ses.Unlock()
		v, ok, err := st.GetControl(retryKey(id))
		if err != nil || !ok || keptSince(v, limit) {
			continue
		}
		if err := b.DeleteControl(retryKey(id)); err != nil {
			break
		}
		over = append(over, id)
	}
	if len(over) == 0 {
		b.Close()
		return 0, nil
	}
	return len(over), st.CommitControl(ctx, b)
}
