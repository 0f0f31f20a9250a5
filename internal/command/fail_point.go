package command

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// Fail points let a test make commands fail, so that drivers' own suites can see
// how they recover. They are there only when the server was started with the
// parameter enableTestCommands. Of MongoDB's many, those are known that drivers'
// suites use: failCommand, and two that fail a getMore or a retryable write alone;
// and disablePipelineOptimization, with which a pipeline runs as it is written.

var configureFailPointCommand = &Spec{
	Name: "configureFailPoint",
	Args: idl.Command("configureFailPoint",
		idl.Field{Name: "configureFailPoint", Types: idl.String, Required: true},
		idl.Field{Name: "mode", Types: idl.String | idl.Object, Required: true},
		idl.Field{Name: "data", Types: idl.Object}),
	Flags: AdminOnly | WriteConcern | ForTests, Privilege: onCluster(auth.SetParameter), Help: "makes commands fail on purpose (with enableTestCommands only)", Run: runConfigureFailPoint,
}

// failPoints are the fail points that there are. The zero value has all off.
type failPoints struct {
	// command is failCommand; getMore is failGetMoreAfterCursorCheckout, which takes
	// effect on getMore; write is onPrimaryTransactionalWrite, which takes effect on
	// retryable writes and statements of transactions.
	command, getMore, write failPoint
	// timeOut is maxTimeAlwaysTimeOut and noTimeOut maxTimeNeverTimeOut, for commands
	// with maxTimeMS.
	timeOut, noTimeOut failPoint
	// pipelines is disablePipelineOptimization, which is on or off.
	pipelines failPoint
}

// unoptimized reports whether pipelines and expressions run as they are written.
func (f *failPoints) unoptimized() bool { return f.pipelines.on.Load() }

func (f *failPoints) named(name string) *failPoint {
	return map[string]*failPoint{"failCommand": &f.command, "failGetMoreAfterCursorCheckout": &f.getMore, "onPrimaryTransactionalWrite": &f.write,
		"disablePipelineOptimization": &f.pipelines, "maxTimeAlwaysTimeOut": &f.timeOut, "maxTimeNeverTimeOut": &f.noTimeOut}[name]
}

// take returns the data of the fail point that takes effect on the request, if
// any does.
func (f *failPoints) take(rq *Request) bsonx.Doc {
	if data := f.command.take(rq, (*failPoint).concerns); data != nil {
		return data
	}
	if data := f.getMore.take(rq, func(_ *failPoint, rq *Request) bool { return rq.Name == "getMore" }); data != nil {
		return data
	}
	return f.write.take(rq, func(_ *failPoint, rq *Request) bool { return rq.TxnNumber >= 0 && rq.Spec.Flags&Write != 0 })
}

// failPoint is the state of a fail point. Safe for concurrent use; the zero value
// is off.
type failPoint struct {
	on   atomic.Bool
	mu   sync.Mutex
	mode failMode
	data bsonx.Doc
	// entered counts how often it took effect.
	entered int64
}

// failMode says when a fail point takes effect: skip times not, then times times
// (-1: always), each with a probability.
type failMode struct {
	times, skip int64
	probability float64
}

func parseFailMode(v bsonx.Value) (failMode, error) {
	m := failMode{times: -1, probability: 1}
	if v.Type == bsonx.String {
		switch string(bsonx.Str(v)) {
		case "off":
			m.times = 0
			return m, nil
		case "alwaysOn":
			return m, nil
		}
		return m, errcode.New(errcode.BadValue, "unknown mode for a fail point: %s", bsonx.Str(v))
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		n := it.Value()
		if !bsonx.IsNumber(n) || idl.ToInt64(n) < 0 {
			return m, errcode.New(errcode.TypeMismatch, "a fail point's mode takes a number that is not negative")
		}
		switch string(it.Key()) {
		case "times":
			m.times = idl.ToInt64(n)
		case "skip":
			m.skip = idl.ToInt64(n)
		case "activationProbability":
			m.probability = 0
			if n.Type == bsonx.Double {
				m.probability = bsonx.F64(n)
			} else if idl.ToInt64(n) > 0 {
				m.probability = 1
			}
		default:
			return m, errcode.New(errcode.BadValue, "unknown mode for a fail point: %s", it.Key())
		}
	}
	return m, nil
}

func runConfigureFailPoint(_ context.Context, rq *Request, b *bsonx.Builder) error {
	name := rq.Args.String("configureFailPoint", "")
	f := rq.Services.failPoints.named(name)
	if f == nil {
		return errcode.New(errcode.FailPointSetFailed, "%s not found", name)
	}
	m, err := parseFailMode(rq.Args.Get("mode"))
	if err != nil {
		return err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	b.Int64("count", f.entered)
	f.mode, f.data, f.entered = m, keep(rq.Args.Doc("data")), 0
	if f.data == nil {
		f.data = bsonx.EmptyDoc
	}
	f.on.Store(m.times != 0)
	return nil
}

// take returns the fail point's data when it takes effect on the request.
func (f *failPoint) take(rq *Request, concerns func(*failPoint, *Request) bool) (data bsonx.Doc) {
	if !f.on.Load() || rq.Name == "configureFailPoint" {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mode.times == 0 || !concerns(f, rq) || f.mode.probability < 1 && rand.Float64() >= f.mode.probability {
		return nil
	}
	if f.mode.skip > 0 {
		f.mode.skip--
		return nil
	}
	if f.mode.times > 0 {
		f.mode.times--
		f.on.Store(f.mode.times != 0)
	}
	f.entered++
	return f.data
}

// limited says what becomes of a command's maxTimeMS.
func (f *failPoints) limited(rq *Request) error {
	any := func(*failPoint, *Request) bool { return true }
	switch {
	case rq.MaxTime == 0:
	case f.noTimeOut.take(rq, any) != nil:
		rq.MaxTime = 0
	case f.timeOut.take(rq, any) != nil:
		return errcode.New(errcode.MaxTimeMSExpired, "operation exceeded time limit, as a fail point says")
	}
	return nil
}

// concerns reports whether the data names the request's command, its client and
// its namespace.
func (f *failPoint) concerns(rq *Request) bool {
	if v := bsonx.Lookup(f.data, "appName"); v.Type == bsonx.String && string(bsonx.Str(v)) != rq.appName() {
		return false
	}
	if v := bsonx.Lookup(f.data, "namespace"); v.Type == bsonx.String {
		c := rq.Args.At(0)
		if rq.Name == "getMore" {
			c = rq.Args.Get("collection")
		}
		if c.Type != bsonx.String || rq.NS(string(bsonx.Str(c))) != string(bsonx.Str(v)) {
			return false
		}
	}
	for it := bsonx.NewIter(bsonx.Lookup(f.data, "failCommands").Data); it.Next(); {
		if v := it.Value(); v.Type == bsonx.String && (string(bsonx.Str(v)) == rq.Name || slices.Contains(rq.Spec.Aliases, string(bsonx.Str(v)))) {
			return true
		}
	}
	return false
}

// appName is the client's name, which the first hello brings.
func (rq *Request) appName() string {
	if client := bsonx.Lookup(rq.Body, "client"); rq.Conn.Info.Client == nil && client.Type == bsonx.Object {
		return clientAppName(client.Data)
	}
	return rq.Conn.Info.AppName
}

// failOnPurpose does what an armed fail point says: it waits, and then lets the
// connection be closed or returns an error. unmet is a write concern error for
// the reply of a command that otherwise runs.
func (d *Dispatcher) failOnPurpose(ctx context.Context, rq *Request) (unmet *errcode.Error, err error) {
	data := d.services.failPoints.take(rq)
	if data == nil {
		return nil, nil
	}
	if bsonx.Truthy(bsonx.Lookup(data, "blockConnection")) {
		select {
		case <-time.After(time.Duration(idl.ToInt64(bsonx.Lookup(data, "blockTimeMS"))) * time.Millisecond):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if bsonx.Truthy(bsonx.Lookup(data, "closeConnection")) {
		rq.CloseConn = true
		return nil, errcode.New(errcode.HostUnreachable, "the connection is closed by a fail point")
	}
	labels := bsonx.Lookup(data, "errorLabels")
	v := bsonx.Lookup(data, "errorCode")
	if v.Type == bsonx.Missing {
		v = bsonx.Lookup(data, "failBeforeCommitExceptionCode") // as onPrimaryTransactionalWrite names it
	}
	if bsonx.IsNumber(v) {
		e := errcode.New(errcode.Code(idl.ToInt64(v)), "Failing command via 'failCommand' failpoint")
		if x := bsonx.Lookup(data, "errorExtraInfo"); x.Type == bsonx.Object {
			e = e.WithInfo(keep(x.Data))
		}
		return nil, rq.purposely(e, labels)
	}
	if v := bsonx.Lookup(data, "writeConcernError"); v.Type == bsonx.Object {
		e := errcode.New(errcode.Code(idl.ToInt64(bsonx.Lookup(v.Data, "code"))), "%s", bsonx.Str(bsonx.Lookup(v.Data, "errmsg")))
		if x := bsonx.Lookup(v.Data, "errInfo"); x.Type == bsonx.Object {
			b := bsonx.NewDoc(nil)
			b.Doc("errInfo", x.Data)
			e = e.WithInfo(b.Done())
		}
		return rq.purposely(rq.label(e), labels), nil
	}
	return nil, nil
}

// purposely gives an error the labels that the fail point lists, if it lists any.
func (rq *Request) purposely(e *errcode.Error, labels bsonx.Value) *errcode.Error {
	if labels.Type != bsonx.Array {
		return e
	}
	rq.labelled, e.Labels = true, nil
	for it := bsonx.NewIter(labels.Data); it.Next(); {
		if it.Value().Type == bsonx.String {
			e.Labels = append(e.Labels, string(bsonx.Str(it.Value())))
		}
	}
	return e
}
