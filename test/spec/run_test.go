package spec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// suite is what all tests share: the server and a client to prepare it with.
type suite struct {
	uri    string
	direct *mongo.Client
	params bson.D
}

// run is one test being run.
type run struct {
	suite      *suite
	file       *testFile
	entities   map[string]any
	clients    []*clientEntity
	failPoints []string
}

// serverVersion is what the server says it is; topology how it presents itself.
const (
	serverVersion = "8.2"
	topology      = "sharded"
)

// meets reports whether one of the requirements holds.
func (s *suite) meets(all []requirement) bool {
	if len(all) == 0 {
		return true
	}
	for _, q := range all {
		ok := (q.Topologies == nil || slices.Contains(q.Topologies, topology) || slices.Contains(q.Topologies, "sharded-replicaset")) &&
			(q.MinServerVersion == "" || !versionLess(serverVersion, q.MinServerVersion)) &&
			(q.MaxServerVersion == "" || !versionLess(q.MaxServerVersion, serverVersion)) && (q.Auth == nil || !*q.Auth)
		for _, p := range q.ServerParameters {
			ok = ok && (matcher{}).match(p.Value, lookup(s.params, p.Key), false) == nil
		}
		if ok {
			return true
		}
	}
	return false
}

func versionLess(a, b string) bool {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range min(len(x), len(y)) {
		if x[i] != y[i] {
			return len(x[i]) < len(y[i]) || len(x[i]) == len(y[i]) && x[i] < y[i]
		}
	}
	return false
}

// runTest runs one test and returns why it failed; nil when it held.
func (s *suite) runTest(ctx context.Context, f *testFile, tc *testCase) (err error) {
	r := &run{suite: s, file: f, entities: map[string]any{}}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the runner panicked: %v", p)
		}
		err = errors.Join(err, r.finish())
	}()
	for _, d := range f.InitialData {
		if err := r.prepare(ctx, d); err != nil {
			return fmt.Errorf("initialData: %w", err)
		}
	}
	for _, e := range f.CreateEntities {
		if err := r.create(e); err != nil {
			return fmt.Errorf("createEntities: %w", err)
		}
	}
	for i := range tc.Operations {
		if err := r.operate(ctx, &tc.Operations[i]); err != nil {
			return fmt.Errorf("operation %d, %s: %w", i, tc.Operations[i].Name, err)
		}
	}
	for _, e := range tc.ExpectEvents {
		if err := r.checkEvents(e); err != nil {
			return err
		}
	}
	for _, d := range tc.Outcome {
		if err := r.checkOutcome(ctx, d); err != nil {
			return err
		}
	}
	return nil
}

// finish ends sessions and clients and switches fail points off.
func (r *run) finish() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, name := range r.failPoints {
		if err := r.suite.direct.Database("admin").RunCommand(ctx, bson.D{{Key: "configureFailPoint", Value: name}, {Key: "mode", Value: "off"}}).Err(); err != nil {
			return err
		}
	}
	for _, c := range r.clients {
		c.mu.Lock()
		c.closed = true
		c.mu.Unlock()
	}
	for _, e := range r.entities {
		switch x := e.(type) {
		case *sessionEntity:
			x.EndSession(ctx)
		case *cursorEntity:
			_ = x.close(ctx)
		}
	}
	for _, c := range r.clients {
		_ = c.Disconnect(ctx)
	}
	return nil
}

func (r *run) prepare(ctx context.Context, d collData) error {
	db := r.suite.direct.Database(d.DatabaseName, options.Database().SetWriteConcern(writeconcern.Majority()))
	if err := db.Collection(d.CollectionName).Drop(ctx); err != nil {
		return err
	}
	cmd := append(bson.D{{Key: "create", Value: d.CollectionName}}, d.CreateOptions...)
	if err := db.RunCommand(ctx, cmd).Err(); err != nil {
		return err
	}
	if len(d.Documents) == 0 {
		return nil
	}
	_, err := db.Collection(d.CollectionName).InsertMany(ctx, d.Documents)
	return err
}

func (r *run) matcher() matcher {
	return matcher{entity: func(name string) (any, error) {
		if e, ok := r.entities[name]; ok {
			return e, nil
		}
		return nil, fmt.Errorf("no entity %s", name)
	}}
}

func (r *run) checkOutcome(ctx context.Context, d collData) error {
	cur, err := r.suite.direct.Database(d.DatabaseName).Collection(d.CollectionName).Find(ctx, bson.D{}, options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}))
	if err != nil {
		return err
	}
	var got []bson.D
	if err := cur.All(ctx, &got); err != nil {
		return err
	}
	if len(got) != len(d.Documents) {
		return fmt.Errorf("outcome: %d documents in %s, want %d: %v", len(got), d.CollectionName, len(d.Documents), got)
	}
	for i := range got {
		if err := r.matcher().match(d.Documents[i], got[i], false); err != nil {
			return fmt.Errorf("outcome: document %d: %w", i, err)
		}
	}
	return nil
}

// eventKinds are the events of a type that an expectation may name.
var eventKinds = map[string]string{"command": "command", "cmap": "pool connection", "sdam": "server topology"}

func (r *run) checkEvents(e expectEvents) error {
	c, err := entity[*clientEntity](r, e.Client)
	if err != nil {
		return err
	}
	if e.EventType == "" {
		e.EventType = "command"
	}
	var got []seen
	for _, s := range c.seen() {
		for _, prefix := range strings.Fields(eventKinds[e.EventType]) {
			if strings.HasPrefix(s.kind, prefix) {
				got = append(got, s)
			}
		}
	}
	for i, want := range e.Events {
		if i >= len(got) {
			return fmt.Errorf("event %d, %s %v, did not happen; there were %v", i, want[0].Key, want[0].Value, brief(got))
		}
		if err := r.matchEvent(want, got[i]); err != nil {
			return fmt.Errorf("event %d: %w; there were %v", i, err, brief(got))
		}
	}
	if len(got) > len(e.Events) && !e.IgnoreExtraEvents {
		return fmt.Errorf("%d events more than the %d expected: %v", len(got)-len(e.Events), len(e.Events), brief(got))
	}
	return nil
}

func brief(all []seen) string {
	var b strings.Builder
	for _, s := range all {
		name, ok := lookup(s.doc, "commandName").(string)
		if ok {
			name = " " + name
		}
		fmt.Fprintf(&b, "[%s%s]", s.kind, name)
	}
	return b.String()
}

func (r *run) matchEvent(want bson.D, got seen) error {
	if want[0].Key != got.kind {
		return fmt.Errorf("is %s, want %s", got.kind, want[0].Key)
	}
	for _, e := range docOf(want[0].Value) {
		root := e.Key == "command" || e.Key == "reply"
		if err := r.matcher().match(e.Value, lookup(got.doc, e.Key), root); err != nil {
			return fmt.Errorf("%s: %s: %w", got.kind, e.Key, err)
		}
	}
	return nil
}

// operate runs an operation and checks its result.
func (r *run) operate(ctx context.Context, op *operation) error {
	if op.Object == "testRunner" {
		f, ok := runnerOps()[op.Name]
		if !ok {
			return errors.New("an operation that is not known to the runner")
		}
		return f(ctx, r, op.Arguments)
	}
	// No deadline: with one, the driver would try as long as it lasts.
	if name, ok := lookup(op.Arguments, "session").(string); ok {
		s, err := entity[*sessionEntity](r, name)
		if err != nil {
			return err
		}
		ctx = mongo.NewSessionContext(ctx, s.Session)
	}
	if ms, ok := number(lookup(op.Arguments, "timeoutMS")); ok {
		var stop context.CancelFunc
		ctx, stop = context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer stop()
	}
	res, err := r.call(ctx, op)
	var unknown *unknownError
	switch {
	case errors.As(err, &unknown):
		return err
	case op.IgnoreResultAndError:
		return nil
	case op.ExpectError != nil:
		return r.checkError(op.ExpectError, err, res)
	case err != nil:
		return err
	}
	if op.SaveResultAsEntity != "" {
		r.entities[op.SaveResultAsEntity] = res
	}
	if op.ExpectResult.Type != 0 {
		want := decoded(op.ExpectResult)
		if d, ok := want.(bson.D); ok && res == nil && len(d) == 1 && d[0].Key == "$$unsetOrMatches" {
			return nil
		}
		if err := r.matcher().match(want, plain(res), true); err != nil {
			return fmt.Errorf("result: %w", err)
		}
	}
	return nil
}

func decoded(v bson.RawValue) any {
	var out any
	if v.Type == bson.TypeEmbeddedDocument {
		return toD(v.Document())
	}
	_ = v.Unmarshal(&out)
	return out
}

// unknownError: the runner, not the server, could not do it.
type unknownError struct{ error }

func notKnown(format string, args ...any) error { return &unknownError{fmt.Errorf(format, args...)} }

// failure is what the driver says about an error.
type failure struct {
	code       []int
	name, text string
	labels     []string
	raw        bson.Raw
	client     bool // no server has answered
}

func explain(err error) (f failure) {
	f.text = err.Error()
	var ce mongo.CommandError
	var we mongo.WriteException
	var be mongo.BulkWriteException
	var cb mongo.ClientBulkWriteException
	switch {
	case errors.As(err, &cb):
		if cb.WriteError != nil {
			f.code, f.raw = []int{cb.WriteError.Code}, cb.WriteError.Raw
		}
	case errors.As(err, &we):
		f.raw, f.labels = we.Raw, we.Labels
		if we.WriteConcernError != nil {
			f.name = we.WriteConcernError.Name
		}
	case errors.As(err, &be):
		f.labels = be.Labels
	case errors.As(err, &ce):
		f.name, f.labels, f.raw = ce.Name, ce.Labels, ce.Raw
	}
	var se mongo.ServerError
	if errors.As(err, &se) {
		f.code = append(f.code, se.ErrorCodes()...)
	}
	f.client = len(f.code) == 0 && f.raw == nil || mongo.IsNetworkError(err)
	var le mongo.LabeledError
	if errors.As(err, &le) {
		for _, l := range []string{"TransientTransactionError", "UnknownTransactionCommitResult", "RetryableWriteError", "NoWritesPerformed", "ResumableChangeStreamError", "SystemOverloadedError", "RetryableError"} {
			if le.HasErrorLabel(l) && !slices.Contains(f.labels, l) {
				f.labels = append(f.labels, l)
			}
		}
	}
	return f
}

func (r *run) checkError(want *expectError, err error, res any) error {
	if err == nil {
		return fmt.Errorf("succeeded with %v, an error was expected", res)
	}
	f := explain(err)
	bad := func(format string, args ...any) error {
		return fmt.Errorf(format+"; the error is %w", append(args, err)...)
	}
	switch {
	case want.IsClientError != nil && *want.IsClientError != f.client:
		return bad("is a client's error: %v", f.client)
	case want.IsTimeoutError != nil && *want.IsTimeoutError != mongo.IsTimeout(err):
		return bad("is a timeout: %v", mongo.IsTimeout(err))
	case want.ErrorCode != nil && !slices.Contains(f.code, *want.ErrorCode):
		return bad("codes %v, want %d", f.code, *want.ErrorCode)
	case want.ErrorCodeName != "" && f.name != want.ErrorCodeName:
		return bad("code name %q, want %q", f.name, want.ErrorCodeName)
	case !strings.Contains(strings.ToLower(f.text), strings.ToLower(want.ErrorContains)):
		return bad("does not contain %q", want.ErrorContains)
	}
	for _, l := range want.ErrorLabelsContain {
		if !slices.Contains(f.labels, l) {
			return bad("labels %v, want %s", f.labels, l)
		}
	}
	for _, l := range want.ErrorLabelsOmit {
		if slices.Contains(f.labels, l) {
			return bad("labels %v, do not want %s", f.labels, l)
		}
	}
	if want.ErrorResponse != nil {
		if err := r.matcher().match(want.ErrorResponse, toD(f.raw), true); err != nil {
			return bad("errorResponse: %w", err)
		}
	}
	return r.checkBulkError(want, err, res)
}

func (r *run) checkBulkError(want *expectError, err error, res any) error {
	var cb mongo.ClientBulkWriteException
	if errors.As(err, &cb) {
		got := bson.D{}
		for i, w := range cb.WriteErrors {
			got = append(got, bson.E{Key: fmt.Sprint(i), Value: bson.D{{Key: "code", Value: w.Code}, {Key: "message", Value: w.Message}, {Key: "details", Value: w.Details}}})
		}
		for _, e := range want.WriteErrors {
			if err := r.matcher().match(e.Value, plain(lookup(got, e.Key)), true); err != nil {
				return fmt.Errorf("writeErrors.%s: %w", e.Key, err)
			}
		}
		if len(want.WriteErrors) > 0 && len(want.WriteErrors) != len(got) {
			return fmt.Errorf("write errors %v, want %v", got, want.WriteErrors)
		}
		if len(want.WriteConcernErrors) != len(cb.WriteConcernErrors) && want.WriteConcernErrors != nil {
			return fmt.Errorf("write concern errors %v, want %v", cb.WriteConcernErrors, want.WriteConcernErrors)
		}
		if cb.PartialResult != nil {
			res = clientBulkResult(cb.PartialResult)
		} else {
			res = nil
		}
	}
	if want.ExpectResult.Type == 0 {
		return nil
	}
	exp := decoded(want.ExpectResult)
	var got any = absent{}
	if res != nil {
		got = plain(res)
	}
	if err := r.matcher().match(exp, got, true); err != nil {
		return fmt.Errorf("result beside the error: %w", err)
	}
	return nil
}
