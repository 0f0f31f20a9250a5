package command

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
)

// Dispatcher finds and runs commands. Safe for concurrent use.
type Dispatcher struct {
	services *Services
	specs    []*Spec
	byName   map[string]*Spec
}

// NewDispatcher returns a dispatcher over the command table.
func NewDispatcher(s *Services) *Dispatcher {
	d := &Dispatcher{services: s, specs: table(), byName: make(map[string]*Spec)}
	for _, c := range d.specs {
		d.byName[c.Name] = c
		for _, a := range c.Aliases {
			d.byName[a] = c
		}
	}
	return d
}

// Services returns the services that the commands run on.
func (d *Dispatcher) Services() *Services { return d.services }

// Specs returns the command table; do not change it.
func (d *Dispatcher) Specs() []*Spec { return d.specs }

// Run runs the command in rq.Body and writes the whole reply document to b,
// which must be freshly begun. The caller sets Body, Sequences, Conn, NoReply,
// ExhaustAllowed and Legacy of rq, and DB when Legacy.
func (d *Dispatcher) Run(ctx context.Context, rq *Request, b *bsonx.Builder) {
	rq.dispatcher, rq.Services = d, d.services
	rq.More, rq.Session, rq.TxnNumber, rq.InTxn, rq.StartTxn = false, nil, -1, false, false
	rq.ReadConcern, rq.Op, rq.Spec, rq.snapshotTime = ReadConcern{}, nil, nil, 0
	rq.Args.Clear() // a refusal may come before the arguments are decoded
	rq.needed.list = rq.needed.list[:0]
	rq.FailTxn, rq.outcome, rq.CloseConn, rq.labelled = false, nil, false, false
	unmet, err := d.run(ctx, rq, b)
	if err != nil {
		b.Reset()
		d.fail(rq, b, rq.label(errcode.As(err)))
		return
	}
	if unmet != nil {
		writeConcernError(b, unmet)
		d.stateChange(b, unmet.Code)
	}
	if rq.InTxn && rq.Spec.Flags&EndsTxn == 0 {
		recoveryToken(b)
	}
	b.Double("ok", 1)
	d.times(b)
}

// recoveryToken is what a router gives with the statements of a transaction: its
// end may then be asked of another router. There is only one here.
func recoveryToken(b *bsonx.Builder) {
	at := b.OpenDoc("recoveryToken")
	b.String("recoveryShardId", "argon")
	b.Close(at)
}

func (d *Dispatcher) run(ctx context.Context, rq *Request, b *bsonx.Builder) (unmet *errcode.Error, err error) {
	if err := d.find(rq); err != nil {
		return nil, err
	}
	if err := d.admit(rq); err != nil {
		return nil, err
	}
	if unmet, err = d.generic(rq); err != nil {
		return nil, err
	}
	if rq.MaxTime, err = maxTime(rq.Args.Generic.Get(idl.MaxTimeMS)); err != nil {
		return nil, err
	}
	if err = d.services.failPoints.limited(rq); err != nil {
		return nil, err
	}
	op := &session.Op{Started: d.services.Clock.Now(), Command: rq.Name, Body: rq.shownBody(), Conn: rq.Conn.Info, Kind: rq.Spec.OpKind, DB: rq.DB}
	if v := rq.Args.At(0); v.Type == bsonx.String {
		op.Coll = bsonx.Str(v)
	}
	if rq.Session != nil {
		op.LSID = rq.Session.ID
	}
	if rq.MaxTime > 0 && rq.Spec.Flags&OwnMaxTime == 0 {
		op.SetDeadline(rq.MaxTime)
	}
	rq.Op = op
	d.services.Ops.Begin(ctx, op)
	purposely, err := d.failOnPurpose(op, rq)
	if err == nil {
		if err = d.enterTxn(op, rq); err == nil {
			var done bool
			if done, err = rq.repeat(op, b); err == nil && !done {
				err = d.call(op, rq, b)
			}
		}
		d.leaveTxn(rq, err)
	}
	if purposely != nil {
		unmet = purposely
	}
	d.services.Ops.End(op)
	rq.auditCommand(err)
	d.count(rq, op, err)
	return unmet, err
}

// admit decodes the arguments and checks that the user may run the command.
func (d *Dispatcher) admit(rq *Request) error {
	err := rq.authenticated()
	if err != nil {
		rq.auditCommand(err)
		return err
	}
	if err = rq.Spec.Args.DecodeWith(rq.Body, &rq.Args, rq.hasSequence); err != nil {
		return err
	}
	if err = rq.authorized(); err != nil {
		rq.auditCommand(err)
	}
	return err
}

// count adds the command to the counters and logs it when it was slow.
func (d *Dispatcher) count(rq *Request, op *session.Op, err error) {
	s := d.services
	s.Stats.counter(rq.Spec).Add(1)
	took := s.Clock.Now().Sub(op.Started)
	if took < time.Duration(s.Params.slowMS.Load())*time.Millisecond || rq.More {
		return
	}
	attrs := []slog.Attr{slog.String("command", rq.Name), slog.String("ns", op.NS()), slog.Duration("took", took),
		slog.String("remote", op.Conn.Remote), slog.String("app", op.Conn.AppName)}
	if p := op.Plan(); p != "" {
		attrs = append(attrs, slog.String("plan", p))
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	s.Log.LogAttrs(context.Background(), slog.LevelInfo, "slow operation", attrs...)
}

// call runs the handler; a panic becomes an InternalError.
func (d *Dispatcher) call(ctx context.Context, rq *Request, b *bsonx.Builder) (err error) {
	defer func() {
		if p := recover(); p != nil {
			d.services.Log.Error("a command panicked", "command", rq.Name, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errcode.New(errcode.InternalError, "internal error in command %s; the server's log has the details", rq.Name)
		}
	}()
	if rq.Spec.Flags&(Write|DDL) != 0 {
		if err := rq.unblocked(); err != nil {
			return err
		}
		if err := d.services.fsyncLock.wait(ctx); err != nil {
			return err
		}
	}
	if rq.ReadConcern.Given {
		if err := rq.awaitReadConcern(ctx); err != nil {
			return err
		}
	}
	return rq.Spec.Run(ctx, rq, b)
}

// find sets the command's spec, name and database.
func (d *Dispatcher) find(rq *Request) error {
	it := bsonx.NewIter(rq.Body)
	if !it.Next() {
		return errcode.New(errcode.CommandNotFound, "no such command: ''")
	}
	name := it.Key()
	if !rq.Legacy {
		db := bsonx.Lookup(rq.Body, "$db")
		switch {
		case db.Type == bsonx.Missing:
			return errcode.New(40571, "OP_MSG requests require a $db argument")
		case db.Type != bsonx.String:
			return idl.WrongType("$db", db.Type, idl.String)
		}
		if name := bsonx.Str(db); rq.DB != string(name) { // mostly the same as before: no new string
			rq.DB = string(name)
		}
	}
	spec, ok := d.byName[string(name)]
	if rq.Legacy && (!ok || spec.Flags&Legacy == 0) {
		return errcode.New(errcode.UnsupportedOpQueryCommand, "Unsupported OP_QUERY command: %s. The client driver may require an upgrade. For more details see https://dochub.mongodb.org/core/legacy-opcode-removal", name)
	}
	if !ok || spec.Flags&ForTests != 0 && !d.services.Params.Bool("enableTestCommands") {
		rq.Name = string(name)
		return errcode.New(errcode.CommandNotFound, "no such command: '%s'", name)
	}
	rq.Spec, rq.Name = spec, spec.Name
	if err := CheckDatabase(rq.DB); err != nil {
		return err
	}
	if spec.Flags&AdminOnly != 0 && rq.DB != "admin" {
		return errcode.New(errcode.Unauthorized, "%s may only be run against the admin database.", name)
	}
	for i := range rq.Sequences {
		if bsonx.Lookup(rq.Body, rq.Sequences[i].Name).Type != bsonx.Missing {
			return errcode.New(40413, "BSON field '%s.%s' is a duplicate field", spec.Name, rq.Sequences[i].Name)
		}
	}
	return nil
}

func (rq *Request) hasSequence(name string) bool {
	for i := range rq.Sequences {
		if rq.Sequences[i].Name == name {
			return true
		}
	}
	return false
}

// generic checks the arguments that every command takes.
func (d *Dispatcher) generic(rq *Request) (unmet *errcode.Error, err error) {
	g := &rq.Args.Generic
	if err := d.useSession(rq, g); err != nil {
		return nil, err
	}
	if v := g.Get(idl.ClusterTime); v.Type != bsonx.Missing {
		if err := rq.gossip(v); err != nil {
			return nil, err
		}
	}
	if v := g.Get(idl.ReadConcern); v.Type != bsonx.Missing {
		if rq.ReadConcern, err = parseReadConcern(v.Data, rq); err != nil {
			return nil, err
		}
	}
	if v := g.Get(idl.WriteConcern); v.Type != bsonx.Missing {
		if rq.Spec.Flags&(Write|DDL|WriteConcern) == 0 {
			return nil, errcode.New(errcode.InvalidOptions, "Command %s does not support writeConcern", rq.Name)
		}
		if unmet, err = parseWriteConcern(v.Data); err != nil {
			return nil, err
		}
	}
	return unmet, d.checkAPI(rq, g)
}

// maxTime reads maxTimeMS: any number without a fraction from 0 to 2^31-1;
// 0 or null is no limit.
func maxTime(v bsonx.Value) (time.Duration, error) {
	switch {
	case v.Type == bsonx.Missing || v.Type == bsonx.Null || v.Type == bsonx.Undefined:
		return 0, nil
	case !bsonx.IsNumber(v):
		return 0, idl.WrongType("maxTimeMS", v.Type, idl.Number)
	}
	n, ok := bsonx.IntegralOK(v)
	switch {
	case !ok:
		return 0, errcode.New(errcode.FailedToParse, "maxTimeMS has non-integral value")
	case n < 0 || n > 1<<31-1:
		return 0, errcode.New(errcode.BadValue, "%d value for maxTimeMS is out of range [0, 2147483647]", n)
	}
	return time.Duration(n) * time.Millisecond, nil
}

// Refuse writes the error reply to a message that could not be parsed.
func (d *Dispatcher) Refuse(e *errcode.Error, b *bsonx.Builder) { d.fail(&Request{}, b, e) }

// fail writes MongoDB's error reply.
func (d *Dispatcher) fail(rq *Request, b *bsonx.Builder, e *errcode.Error) {
	d.services.Stats.UserAsserts.Add(1)
	if e.Code == errcode.InternalError && e.Cause != nil {
		d.services.Log.LogAttrs(context.Background(), slog.LevelWarn, "a command failed unexpectedly", slog.String("command", rq.Name), slog.String("error", e.Message))
	}
	b.Double("ok", 0)
	b.String("errmsg", e.Message)
	b.Int32("code", int32(e.Code))
	b.String("codeName", e.Code.Name())
	for it := bsonx.NewIter(e.Info); it.Next(); {
		b.Element(it.Element())
	}
	appendLabels(b, e)
	d.stateChange(b, e.Code)
	d.times(b)
}

func appendLabels(b *bsonx.Builder, e *errcode.Error) {
	if len(e.Labels) == 0 {
		return
	}
	at := b.OpenArray("errorLabels")
	for i, l := range e.Labels {
		b.String(bsonx.Index(i), l)
	}
	b.Close(at)
}

func writeConcernError(b *bsonx.Builder, e *errcode.Error) {
	at := b.OpenDoc("writeConcernError")
	b.Int32("code", int32(e.Code))
	b.String("codeName", e.Code.Name())
	b.String("errmsg", e.Message)
	for it := bsonx.NewIter(e.Info); it.Next(); {
		b.Element(it.Element())
	}
	b.Close(at)
	appendLabels(b, e)
}

// times appends the cluster's time, which causally consistent sessions carry
// from one reply to their next command.
func (d *Dispatcher) times(b *bsonx.Builder) {
	t, i := d.services.ClusterTime()
	at := b.OpenDoc("$clusterTime")
	b.Timestamp("clusterTime", t, i)
	sig := b.OpenDoc("signature")
	b.Binary("hash", 0, zeroHash[:])
	b.Int64("keyId", 0)
	b.Close(sig)
	b.Close(at)
	b.Timestamp("operationTime", t, i)
}

var zeroHash [20]byte
