package command_test

import (
	"log/slog"
	"slices"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/clock"
	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/session"
)

func newDispatcher() *command.Dispatcher {
	return command.NewDispatcher(command.NewServices(clock.System{}, slog.New(slog.DiscardHandler)))
}

func newRequest(t testing.TB, cmd bson.D) *command.Request {
	t.Helper()
	d, err := bson.Marshal(cmd)
	if err != nil {
		t.Fatal(err)
	}
	return &command.Request{Body: d, Conn: &command.Conn{Info: &session.ConnInfo{ID: 1}}}
}

// run runs a command and returns its reply.
func run(t testing.TB, d *command.Dispatcher, cmd bson.D) bson.Raw {
	t.Helper()
	b := bsonx.NewDoc(nil)
	d.Run(t.Context(), newRequest(t, cmd), b)
	return bson.Raw(b.Done())
}

func TestTableIsSorted(t *testing.T) {
	specs := newDispatcher().Specs()
	names := make([]string, len(specs))
	for i, s := range specs {
		names[i] = s.Name
		if s.Run == nil || s.Args == nil || s.Help == "" {
			t.Errorf("%s has no handler, arguments or help", s.Name)
		}
		if first := s.Args.Fields()[0].Name; first != s.Name {
			t.Errorf("%s: the first argument is %s", s.Name, first)
		}
	}
	if !slices.IsSortedFunc(names, compareFold) {
		slices.SortFunc(names, compareFold)
		t.Errorf("the table is not sorted; it should be: %v", names)
	}
	if i := slices.IndexFunc(names, func(n string) bool { return n == "ping" }); i < 0 {
		t.Error("no ping")
	}
}

// compareFold compares without regard to case.
func compareFold(a, b string) int {
	return slices.CompareFunc([]byte(a), []byte(b), func(x, y byte) int { return int(x|0x20) - int(y|0x20) })
}

// TestFrame runs commands against the frame's own checks; each wants a code, 0
// for success.
func TestFrame(t *testing.T) {
	lsid := bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}
	ping := func(more ...bson.E) bson.D {
		return append(bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "admin"}}, more...)
	}
	build := func(more ...bson.E) bson.D {
		return append(bson.D{{Key: "buildInfo", Value: 1}, {Key: "$db", Value: "admin"}}, more...)
	}
	for _, tt := range []struct {
		name string
		cmd  bson.D
		code int32
	}{
		{"a command", ping(), 0},
		{"an alias", bson.D{{Key: "buildinfo", Value: 1}, {Key: "$db", Value: "test"}}, 0},
		{"another case", bson.D{{Key: "Ping", Value: 1}, {Key: "$db", Value: "test"}}, 59},
		{"no such command", bson.D{{Key: "nope", Value: 1}, {Key: "$db", Value: "test"}}, 59},
		{"no database", bson.D{{Key: "ping", Value: 1}}, 40571},
		{"an impossible database", bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "a/b"}}, 73},
		{"a branch", bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "shop~dev"}}, 0},
		{"a point with a fraction", bson.D{{Key: "ping", Value: 1}, {Key: "$db", Value: "shop~dev@2026-11-23T01:30:00.5Z"}}, 0},
		{"admin only", bson.D{{Key: "getLog", Value: "global"}, {Key: "$db", Value: "test"}}, 13},
		{"unknown argument", build(bson.E{Key: "foo", Value: 1}), 40415},
		{"generic arguments", build(bson.E{Key: "comment", Value: 1}, bson.E{Key: "maxTimeMS", Value: 1000}, bson.E{Key: "lsid", Value: lsid},
			bson.E{Key: "$readPreference", Value: bson.D{{Key: "mode", Value: "primary"}}}, bson.E{Key: "$clusterTime", Value: bson.D{}}), 0},
		{"lsid of a wrong type", build(bson.E{Key: "lsid", Value: 1}), 14},
		{"lsid without an id", build(bson.E{Key: "lsid", Value: bson.D{}}), 40414},
		{"maxTimeMS of a wrong type", build(bson.E{Key: "maxTimeMS", Value: "1"}), 14},
		{"maxTimeMS with a fraction", build(bson.E{Key: "maxTimeMS", Value: 0.5}), 9},
		{"maxTimeMS below zero", build(bson.E{Key: "maxTimeMS", Value: -1}), 2},
		{"maxTimeMS null", build(bson.E{Key: "maxTimeMS", Value: nil}), 0},
		{"readConcern local", build(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "local"}}}), 0},
		{"readConcern majority where it is not supported", build(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "majority"}}}), 72},
		{"readConcern of no level", build(bson.E{Key: "readConcern", Value: bson.D{{Key: "level", Value: "nope"}}}), 2},
		{"writeConcern where it is not supported", build(bson.E{Key: "writeConcern", Value: bson.D{{Key: "w", Value: 1}}}), 72},
		{"txnNumber without a session", build(bson.E{Key: "txnNumber", Value: int64(1)}), 72},
		{"txnNumber on what is no write", build(bson.E{Key: "lsid", Value: lsid}, bson.E{Key: "txnNumber", Value: int64(1)}), 50768},
		{"a transaction on what is not allowed in one", build(bson.E{Key: "lsid", Value: lsid}, bson.E{Key: "txnNumber", Value: int64(1)},
			bson.E{Key: "autocommit", Value: false}), 263},
		{"apiVersion 1", build(bson.E{Key: "apiVersion", Value: "1"}, bson.E{Key: "apiStrict", Value: true}), 0},
		{"apiVersion 2", build(bson.E{Key: "apiVersion", Value: "2"}), 322},
		{"apiStrict on a command outside of the API", bson.D{{Key: "getLog", Value: "*"}, {Key: "$db", Value: "admin"},
			{Key: "apiVersion", Value: "1"}, {Key: "apiStrict", Value: true}}, 323},
		{"apiStrict alone", build(bson.E{Key: "apiStrict", Value: true}), 322},
	} {
		reply := run(t, newDispatcher(), tt.cmd)
		code, _ := reply.Lookup("code").Int32OK()
		if ok := reply.Lookup("ok").Double(); code != tt.code || (ok == 1) != (tt.code == 0) {
			t.Errorf("%s: got %v, want code %d", tt.name, reply, tt.code)
		}
		if reply.Lookup("$clusterTime", "clusterTime").Type != bson.TypeTimestamp || reply.Lookup("operationTime").Type != bson.TypeTimestamp {
			t.Errorf("%s: no times in %v", tt.name, reply)
		}
	}
}

func BenchmarkPing(b *testing.B) {
	d := newDispatcher()
	rq := newRequest(b, bson.D{{Key: "ping", Value: 1}, {Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}}, {Key: "$db", Value: "admin"}})
	var reply bsonx.Builder
	var buf []byte
	ctx := b.Context()
	b.ReportAllocs()
	for b.Loop() {
		reply.Begin(buf[:0])
		d.Run(ctx, rq, &reply)
		buf = reply.Done()
	}
}

// TestEveryCommandHasAPrivilege: a row without one is refused to everybody once
// access control is on, so its author has to say who may run it.
func TestEveryCommandHasAPrivilege(t *testing.T) {
	for _, s := range newDispatcher().Specs() {
		if !s.Privilege.Declared() {
			t.Errorf("%s declares no privilege: see privilege.go", s.Name)
		}
	}
}
