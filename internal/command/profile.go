package command

import (
	"context"
	"slices"
	"sync"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// profiles are the profiling settings of databases. Slow operations go to the
// server's log; there is no system.profile. Safe for concurrent use.
type profiles struct {
	mu     sync.Mutex
	levels map[string]int32
	filter map[string]bsonx.Doc
	rate   float64 // 0: not set, which is 1
}

// used reports whether a database's profiler was ever set.
func (p *profiles) used(db string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, ok := p.levels[db]
	return ok
}

var profileCommand = &Spec{
	Name: "profile",
	Args: idl.Command("profile",
		idl.Field{Name: "profile", Types: idl.Number, Required: true},
		idl.Field{Name: "slowms", Types: idl.Number},
		idl.Field{Name: "sampleRate", Types: idl.Number},
		idl.Field{Name: "filter", Types: idl.Object | idl.String}),
	Privilege: onDatabase(auth.EnableProfiler),
	Help:      "when operations count as slow", Run: runProfile,
}

func runProfile(_ context.Context, rq *Request, b *bsonx.Builder) error {
	p := &rq.Services.profiles
	level := rq.Args.Int64("profile", -1)
	rate := float64(1)
	if v := rq.Args.Get("sampleRate"); v.Type != bsonx.Missing {
		if rate = idl.ToFloat64(v); rate < 0 || rate > 1 || rate != rate {
			return errcode.New(errcode.BadValue, "'sampleRate' must be between 0.0 and 1.0 inclusive")
		}
	}
	filter := rq.Args.Get("filter")
	if filter.Type == bsonx.String && string(bsonx.Str(filter)) != "unset" {
		return errcode.New(errcode.BadValue, "Expected an object, or the string 'unset'.")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.levels == nil {
		p.levels, p.filter = map[string]int32{}, map[string]bsonx.Doc{}
	}
	was := p.rate
	if was == 0 {
		was = 1
	}
	b.Int32("was", p.levels[rq.DB])
	b.Int32("slowms", int32(rq.Services.Params.Int64("slowms")))
	b.Double("sampleRate", was)
	if f := p.filter[rq.DB]; f != nil {
		b.Doc("filter", f)
	}
	if level > 0 && level <= 2 || level == 0 && p.levels[rq.DB] != 0 {
		p.levels[rq.DB] = int32(level)
	}
	if rq.Args.Has("sampleRate") {
		p.rate = rate
	}
	switch filter.Type {
	case bsonx.Object:
		p.filter[rq.DB] = slices.Clone(bsonx.Doc(filter.Data))
	case bsonx.String:
		delete(p.filter, rq.DB)
	}
	if v := rq.Args.Get("slowms"); v.Type != bsonx.Missing {
		if _, err := rq.Services.Params.set("slowms", num(rq.Args.Int32("slowms", 100))); err != nil {
			return err
		}
	}
	return nil
}
