package command

import (
	"context"
	"slices"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
	"github.com/argon-db/argon/internal/wire"
)

// The wire versions that are spoken: MongoDB 8.2's newest.
const (
	minWireVersion = 0
	maxWireVersion = 27
)

// maxWriteBatch is how many writes one command may carry.
const maxWriteBatch = 100_000

var helloFields = []idl.Field{
	{Name: "speculativeAuthenticate", Types: idl.Object},
	{Name: "saslSupportedMechs", Types: idl.Any},
	{Name: "compression", Types: idl.Array},
	{Name: "client", Types: idl.Object},
	{Name: "helloOk", Types: idl.SafeBool},
	{Name: "topologyVersion", Types: idl.Object},
	{Name: "maxAwaitTimeMS", Types: idl.Number},
	{Name: "loadBalanced", Types: idl.SafeBool},
	{Name: "hostInfo", Types: idl.Any},
	{Name: "internalClient", Types: idl.Object},
	{Name: "backpressure", Types: idl.Any},
}

func helloArgs(name string) *idl.Spec {
	return idl.Command(name, append([]idl.Field{{Name: name, Types: idl.Any}}, helloFields...)...).Lenient()
}

var helloCommand = &Spec{
	Name: "hello", Args: helloArgs("hello"), Flags: APIv1 | Legacy | Secret, Privilege: forAnyone(),
	Help: "what the server is and can do", Run: runHello,
}

var isMasterCommand = &Spec{
	Name: "isMaster", Aliases: []string{"ismaster"}, Args: helloArgs("isMaster"), Flags: Legacy | Secret, Privilege: forAnyone(),
	Help: "hello under its older name", Run: runHello,
}

func runHello(ctx context.Context, rq *Request, reply *bsonx.Builder) error {
	if err := rq.helloClient(); err != nil {
		return err
	}
	if err := rq.helloAwait(ctx); err != nil {
		return err
	}
	s := rq.Services
	if s.Quiescing() {
		e := bsonx.NewDoc(nil)
		s.topologyVersion(e)
		return errcode.New(errcode.ShutdownInProgress, "The server is in quiesce mode and will shut down").WithInfo(e.Done())
	}
	if rq.Name == "hello" {
		reply.Bool("isWritablePrimary", true)
	} else {
		if rq.Args.Bool("helloOk", false) {
			reply.Bool("helloOk", true)
		}
		reply.Bool("ismaster", true)
	}
	reply.String("msg", "isdbgrid")
	s.topologyVersion(reply)
	reply.Int32("maxBsonObjectSize", bsonx.MaxDocSize)
	reply.Int32("maxMessageSizeBytes", wire.MaxMessage)
	reply.Int32("maxWriteBatchSize", maxWriteBatch)
	reply.Date("localTime", s.Clock.Now().UnixMilli())
	reply.Int32("logicalSessionTimeoutMinutes", int32(session.Timeout/time.Minute))
	reply.Int32("connectionId", int32(rq.Conn.Info.ID))
	reply.Int32("minWireVersion", minWireVersion)
	reply.Int32("maxWireVersion", maxWireVersion)
	rq.helloCompression(reply)
	if err := rq.helloAuth(reply); err != nil {
		return err
	}
	rq.More = rq.ExhaustAllowed && rq.Args.Has("topologyVersion") && rq.Args.Has("maxAwaitTimeMS")
	return nil
}

// maxClientDoc is the largest client metadata document, in bytes.
const maxClientDoc = 512

// helloClient keeps what the driver says of itself, once per connection.
func (rq *Request) helloClient() error {
	client := rq.Args.Doc("client")
	if client == nil {
		return nil
	}
	if rq.Conn.Info.Client != nil {
		return errcode.New(errcode.ClientMetadataCannotBeMutated, "The client metadata document may only be sent in the first hello")
	}
	if len(client) > maxClientDoc {
		return errcode.New(errcode.ClientMetadataDocumentTooLarge, "The client metadata document must be less then or equal to %d bytes", maxClientDoc)
	}
	app := clientAppName(client)
	if len(app) > 128 {
		return errcode.New(errcode.ClientMetadataAppNameTooLarge, "The 'application.name' field in the client metadata document must be at most 128 bytes")
	}
	info := *rq.Conn.Info
	info.Client, info.AppName = append(bsonx.Doc(nil), client...), app
	rq.Conn.Info = &info
	return nil
}

// clientAppName is the application's name in a client metadata document.
func clientAppName(client bsonx.Doc) string {
	if a := bsonx.Lookup(client, "application"); a.Type == bsonx.Object {
		if n := bsonx.Lookup(a.Data, "name"); n.Type == bsonx.String {
			return string(bsonx.Str(n))
		}
	}
	return ""
}

// helloAwait waits until the topology changes or the client's patience ends,
// when the client already knows the present topology version.
func (rq *Request) helloAwait(ctx context.Context) error {
	tv, wait := rq.Args.Doc("topologyVersion"), rq.Args.Get("maxAwaitTimeMS")
	switch {
	case tv == nil && wait.Type == bsonx.Missing:
		return nil
	case tv == nil || wait.Type == bsonx.Missing:
		return errcode.New(31368, "A request with 'topologyVersion' must include 'maxAwaitTimeMS', and the other way round")
	}
	ms := idl.ToInt64(wait)
	if ms < 0 {
		return errcode.New(31373, "maxAwaitTimeMS must be a non-negative integer")
	}
	if !rq.Services.knowsTopology(tv) {
		return nil
	}
	timer := time.NewTimer(time.Duration(min(ms, 600_000)) * time.Millisecond)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-rq.Services.quiescing.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}

// helloCompression agrees on the compressors that both sides know, in the
// client's order.
func (rq *Request) helloCompression(reply *bsonx.Builder) {
	offered := rq.Args.Array("compression")
	if offered == nil {
		return
	}
	at := reply.OpenArray("compression")
	n := 0
	for it := bsonx.NewIter(offered); it.Next(); {
		if v := it.Value(); v.Type == bsonx.String && slices.Contains(wire.Compressors(), string(bsonx.Str(v))) {
			reply.Value(bsonx.Index(n), v)
			n++
		}
	}
	reply.Close(at)
}
