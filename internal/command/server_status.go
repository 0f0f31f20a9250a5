package command

import (
	"context"
	"os"
	"sync/atomic"
	"time"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/version"
)

var serverStatusCommand = &Spec{
	Name: "serverStatus", Args: nameOnly("serverStatus").Lenient(), Privilege: onCluster(auth.ServerStatus), Help: "figures of the running server", Run: runServerStatus,
}

// section is a part of serverStatus that a client can leave out with {NAME: 0}.
type section struct {
	name  string
	write func(s *Services, b *bsonx.Builder)
}

// statusSections lists the sections in the order of the reply.
func statusSections() []section {
	return []section{
		{"asserts", statusAsserts},
		{"catalogStats", statusCatalog},
		{"connections", statusConnections},
		{"extra_info", func(_ *Services, b *bsonx.Builder) { b.String("note", "fields vary by platform") }},
		{"globalLock", statusGlobalLock},
		{"logicalSessionRecordCache", statusSessions},
		{"locks", func(*Services, *bsonx.Builder) {}},
		{"network", statusNetwork},
		{"opcounters", statusOpcounters},
		{"security", func(*Services, *bsonx.Builder) {}},
		{"storageEngine", statusEngine},
		{"transactions", statusTransactions},
		{"mem", statusMem},
		{"metrics", statusMetrics},
	}
}

func runServerStatus(_ context.Context, rq *Request, b *bsonx.Builder) error {
	s := rq.Services
	up := s.Clock.Now().Sub(s.Started)
	b.String("host", s.Host.Hostname)
	b.String("version", version.MongoDB)
	b.String("process", "mongod")
	at := b.OpenArray("service")
	b.String("0", "router")
	b.Close(at)
	b.Int64("pid", int64(os.Getpid()))
	b.Double("uptime", float64(int64(up/time.Second)))
	b.Int64("uptimeMillis", up.Milliseconds())
	b.Int64("uptimeEstimate", int64(up/time.Second))
	b.Date("localTime", s.Clock.Now().UnixMilli())
	for _, sec := range statusSections() {
		if v := bsonx.Lookup(rq.Body, sec.name); v.Type != bsonx.Missing && !bsonx.Truthy(v) {
			continue
		}
		at := b.OpenDoc(sec.name)
		sec.write(s, b)
		b.Close(at)
	}
	return nil
}

func statusAsserts(s *Services, b *bsonx.Builder) {
	b.Int32("regular", int32(s.Stats.RegularAsserts.Load()))
	b.Int32("warning", 0)
	b.Int32("msg", 0)
	b.Int32("user", int32(s.Stats.UserAsserts.Load()))
	b.Int32("tripwire", 0)
	b.Int32("rollovers", 0)
}

func statusCatalog(s *Services, b *bsonx.Builder) {
	var c CatalogCounts
	if s.CatalogCounts != nil {
		c = s.CatalogCounts()
	}
	b.Int32("collections", int32(c.Collections))
	b.Int32("capped", int32(c.Capped))
	b.Int32("clustered", int32(c.Clustered))
	b.Int32("timeseries", int32(c.TimeSeries))
	b.Int32("views", int32(c.Views))
	b.Int32("internalCollections", 0)
	b.Int32("internalViews", 0)
}

func statusConnections(s *Services, b *bsonx.Builder) {
	open := s.Stats.Connections.Load()
	b.Int32("current", int32(open))
	b.Int32("available", int32(max(0, s.Host.MaxConnections-open)))
	b.Int64("totalCreated", s.Stats.TotalConnections.Load())
	b.Int64("rejected", s.Stats.RejectedConnections.Load())
	b.Int32("active", int32(s.Ops.Len()))
}

func statusGlobalLock(s *Services, b *bsonx.Builder) {
	b.Int64("totalTime", s.Clock.Now().Sub(s.Started).Microseconds())
	for _, name := range []string{"currentQueue", "activeClients"} {
		at := b.OpenDoc(name)
		b.Int32("total", 0)
		b.Int32("readers", 0)
		b.Int32("writers", 0)
		b.Close(at)
	}
}

func statusSessions(s *Services, b *bsonx.Builder) {
	b.Int32("activeSessionsCount", int32(s.Sessions.Len()))
}

func statusNetwork(s *Services, b *bsonx.Builder) {
	b.Int64("bytesIn", s.Stats.BytesIn.Load())
	b.Int64("bytesOut", s.Stats.BytesOut.Load())
	b.Int64("physicalBytesIn", s.Stats.BytesIn.Load())
	b.Int64("physicalBytesOut", s.Stats.BytesOut.Load())
	b.Int64("numRequests", s.Stats.Requests.Load())
}

func statusOpcounters(s *Services, b *bsonx.Builder) {
	for _, c := range []struct {
		name string
		n    *atomic.Int64
	}{
		{"insert", &s.Stats.Inserts}, {"query", &s.Stats.Queries}, {"update", &s.Stats.Updates},
		{"delete", &s.Stats.Deletes}, {"getmore", &s.Stats.GetMores}, {"command", &s.Stats.Commands},
	} {
		b.Int64(c.name, c.n.Load())
	}
}

func statusEngine(_ *Services, b *bsonx.Builder) {
	b.String("name", "argon")
	b.Bool("supportsCommittedReads", true)
	b.Bool("persistent", true)
}

func statusTransactions(s *Services, b *bsonx.Builder) {
	b.Int64("currentActive", 0)
	open, inactive := s.Sessions.OpenTransactions()
	b.Int64("currentActive", int64(open-inactive))
	b.Int64("currentInactive", int64(inactive))
	b.Int64("currentOpen", int64(open))
	b.Int64("totalStarted", s.Stats.TxnStarted.Load())
	b.Int64("totalCommitted", s.Stats.TxnCommitted.Load())
	b.Int64("totalAborted", s.Stats.TxnAborted.Load())
}

func statusMem(_ *Services, b *bsonx.Builder) {
	resident, virtual := processMemory()
	b.Int32("bits", 64)
	b.Int32("resident", int32(max(1, resident>>20)))
	b.Int32("virtual", int32(max(1, virtual>>20)))
	b.Bool("supported", true)
}

func statusMetrics(s *Services, b *bsonx.Builder) {
	open, timedOut := s.Cursors.List()
	pinned, noTimeout := int64(0), int64(0)
	for _, c := range open {
		if c.InUse {
			pinned++
		}
		if c.NoTimeout {
			noTimeout++
		}
	}
	at := b.OpenDoc("cursor")
	b.Int64("timedOut", timedOut)
	in := b.OpenDoc("open")
	b.Int64("noTimeout", noTimeout)
	b.Int64("pinned", pinned)
	b.Int64("total", int64(len(open)))
	b.Close(in)
	b.Close(at)
	at = b.OpenDoc("query")
	in = b.OpenDoc("planCache")
	s.plans.status(b)
	b.Close(in)
	b.Close(at)
}
