package command_test

import (
	"encoding/binary"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/command"
	"github.com/argon-db/argon/internal/daemon"
)

// lsid is a session as drivers send it with every command.
var lsid = bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: make([]byte, 16)}}}}

// serve returns a dispatcher over a store in memory.
func serve(b *testing.B) *command.Dispatcher {
	b.Helper()
	s, err := daemon.Start(daemon.Options{Dir: "data", FS: vfs.NewMem(), Listen: "127.0.0.1:0"})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = s.Close() })
	return command.NewDispatcher(s.Services())
}

// BenchmarkFindByID and BenchmarkInsert are the server's part of the two commands
// that applications send most: no network, no disk.
func BenchmarkFindByID(b *testing.B) {
	d := serve(b)
	ids := make(bson.A, 1000)
	for i := range ids {
		ids[i] = bson.D{{Key: "_id", Value: i}, {Key: "name", Value: "some name"}, {Key: "qty", Value: i}}
	}
	if r := run(b, d, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: ids}, {Key: "$db", Value: "shop"}}); r.Lookup("n").Int32() != 1000 {
		b.Fatal(r)
	}
	rq := newRequest(b, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: 500}}}, {Key: "limit", Value: int64(1)},
		{Key: "singleBatch", Value: true}, lsid, {Key: "$db", Value: "shop"}})
	repeat(b, d, rq, func(int) {})
}

func BenchmarkInsert(b *testing.B) {
	d := serve(b)
	doc := bson.D{{Key: "_id", Value: bson.NewObjectID()}, {Key: "name", Value: "some name"}, {Key: "qty", Value: 1}, {Key: "pad", Value: make([]byte, 200)}}
	raw, err := bson.Marshal(doc)
	if err != nil {
		b.Fatal(err)
	}
	rq := newRequest(b, bson.D{{Key: "insert", Value: "c"}, {Key: "ordered", Value: true}, lsid, {Key: "txnNumber", Value: int64(0)}, {Key: "$db", Value: "shop"}})
	number := len(rq.Body) - 1 - len("\x02$db\x00....shop\x00") - 8
	repeat(b, d, rq, func(i int) {
		binary.BigEndian.PutUint32(raw[17:], uint32(i))
		binary.LittleEndian.PutUint64(rq.Body[number:], uint64(i))
		rq.Sequences = []command.Sequence{{Name: "documents", Docs: []bsonx.Doc{raw}}}
	})
}

// repeat runs a request again and again, changed a little each time.
func repeat(b *testing.B, d *command.Dispatcher, rq *command.Request, change func(i int)) {
	var reply bsonx.Builder
	var buf []byte
	ctx := b.Context()
	b.ReportAllocs()
	for i := 1; b.Loop(); i++ {
		change(i)
		reply.Begin(buf[:0])
		d.Run(ctx, rq, &reply)
		buf = reply.Done()
		if v, _ := bson.Raw(buf).Lookup("ok").DoubleOK(); v != 1 {
			b.Fatal(bson.Raw(buf))
		}
	}
}

// BenchmarkFindByIDWithAuth is BenchmarkFindByID of a user who has to be allowed to.
func BenchmarkFindByIDWithAuth(b *testing.B) {
	d := serve(b)
	if r := run(b, d, bson.D{{Key: "insert", Value: "c"}, {Key: "documents", Value: bson.A{bson.D{{Key: "_id", Value: 500}, {Key: "name", Value: "some name"}}}}, {Key: "$db", Value: "shop"}}); r.Lookup("n").Int32() != 1 {
		b.Fatal(r)
	}
	run(b, d, bson.D{{Key: "createUser", Value: "ann"}, {Key: "pwd", Value: "pw"}, {Key: "roles", Value: bson.A{"readWrite"}}, {Key: "$db", Value: "shop"}})
	d.Services().AuthRequired = true
	rq := newRequest(b, bson.D{{Key: "find", Value: "c"}, {Key: "filter", Value: bson.D{{Key: "_id", Value: 500}}}, {Key: "limit", Value: int64(1)},
		{Key: "singleBatch", Value: true}, lsid, {Key: "$db", Value: "shop"}})
	login(b, d, rq.Conn, "ann", "pw")
	repeat(b, d, rq, func(int) {})
}

// login authenticates a connection by SCRAM-SHA-256.
func login(b *testing.B, d *command.Dispatcher, conn *command.Conn, user, pwd string) {
	b.Helper()
	client, err := scram.SHA256.NewClient(user, pwd, "")
	if err != nil {
		b.Fatal(err)
	}
	conv := client.NewConversation()
	msg, _ := conv.Step("")
	cmd := bson.D{{Key: "saslStart", Value: 1}, {Key: "mechanism", Value: "SCRAM-SHA-256"}, {Key: "options", Value: bson.D{{Key: "skipEmptyExchange", Value: true}}}}
	for done := false; !done; {
		rq := newRequest(b, append(cmd, bson.E{Key: "payload", Value: bson.Binary{Data: []byte(msg)}}, bson.E{Key: "$db", Value: "shop"}))
		rq.Conn = conn
		var reply bsonx.Builder
		reply.Begin(nil)
		d.Run(b.Context(), rq, &reply)
		r := bson.Raw(reply.Done())
		if n, _ := r.Lookup("code").AsInt64OK(); n != 0 {
			b.Fatal(r)
		}
		_, data := r.Lookup("payload").Binary()
		if msg, err = conv.Step(string(data)); err != nil {
			b.Fatal(err)
		}
		done = r.Lookup("done").Boolean()
		cmd = bson.D{{Key: "saslContinue", Value: 1}, {Key: "conversationId", Value: 1}}
	}
}
