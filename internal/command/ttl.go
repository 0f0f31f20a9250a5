package command

import (
	"context"
	"math"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/session"
)

// ttlBatch is how many documents one commit of the TTL monitor removes.
const ttlBatch = 1000

// expiry says which documents of a collection are over: those whose field is a
// date more than after seconds ago.
type expiry struct {
	field   string
	after   int64
	partial bsonx.Doc // an index's filter; nil: none
}

// ExpireDocuments makes one pass over all branches and removes the documents that
// their TTL indexes, or the expireAfterSeconds of clustered and time-series
// collections, have let go: by ordinary commits, so history still has them.
// It returns how many there were.
func (s *Services) ExpireDocuments(ctx context.Context) (removed int64) {
	for _, db := range s.Branches.Heads() {
		if ctx.Err() != nil {
			return removed
		}
		n, err := s.expireIn(ctx, db)
		removed += n
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("expired documents could not be removed", "db", db, "error", err)
		}
	}
	return removed
}

func (s *Services) expireIn(ctx context.Context, db string) (removed int64, err error) {
	rq := &Request{DB: db, Spec: deleteCommand, Name: "delete", Services: s, TxnNumber: -1,
		Conn: &Conn{Info: &session.ConnInfo{AppName: "TTL"}}}
	src, err := rq.openSource(ctx)
	if err != nil {
		return 0, err
	}
	due := map[string][]expiry{}
	d, err := src.db(ctx, db)
	if err == nil {
		for _, name := range d.snap.Names() {
			if e, _ := d.snap.Collection(name); e.Type != catalog.TypeView {
				if x := expiries(e); len(x) > 0 {
					due[name] = x
				}
			}
		}
	}
	src.close()
	for name, all := range due {
		for _, x := range all {
			n, err := rq.expireDocuments(ctx, name, x)
			removed += n
			if err != nil {
				return removed, err
			}
		}
	}
	return removed, err
}

// expiries are what a collection's definition says about its documents' end.
func expiries(e *catalog.Collection) (out []expiry) {
	if after, ok := seconds(e.Option("expireAfterSeconds")); ok {
		field := "_id"
		if ts := e.Option("timeseries"); ts.Type == bsonx.Object {
			field = string(bsonx.Str(bsonx.Lookup(ts.Data, "timeField")))
		}
		out = append(out, expiry{field: field, after: after})
	}
	for _, ix := range e.Indexes {
		after, ok := seconds(bsonx.Lookup(ix.Spec, "expireAfterSeconds"))
		key := bsonx.Lookup(ix.Spec, "key")
		if !ok || ix.Building || key.Type != bsonx.Object || bsonx.Len(key.Data) != 1 {
			continue // MongoDB's monitor takes indexes of one field only
		}
		it := bsonx.NewIter(key.Data)
		it.Next()
		x := expiry{field: string(it.Key()), after: after}
		if p := bsonx.Lookup(ix.Spec, "partialFilterExpression"); p.Type == bsonx.Object {
			x.partial = p.Data
		}
		out = append(out, x)
	}
	return out
}

// seconds reads an expireAfterSeconds; NaN, as MongoDB has it, never expires.
func seconds(v bsonx.Value) (n int64, ok bool) {
	if !bsonx.IsNumber(v) || isNaN(v) {
		return 0, false
	}
	n = idl.ToInt64(v)
	return n, n >= 0 && n <= math.MaxInt32
}

// filter matches the documents that are over at a time in milliseconds.
func (x *expiry) filter(now int64) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	and := b.OpenArray("$and")
	first := b.OpenDoc("0")
	cmp := b.OpenDoc(x.field)
	b.Date("$lte", now-x.after*1000)
	b.Close(cmp)
	b.Close(first)
	if x.partial != nil {
		b.Doc("1", x.partial)
	}
	b.Close(and)
	return b.Done()
}

// expireDocuments removes a collection's documents that are over, a batch a
// commit.
func (rq *Request) expireDocuments(ctx context.Context, name string, x expiry) (removed int64, err error) {
	m := &modification{filter: x.filter(rq.Services.Clock.Now().UnixMilli()), multi: true, most: ttlBatch}
	for {
		var n int64
		err := rq.write(ctx, func(s *source) error {
			t, err := s.writable(ctx, rq.DB, name, false)
			if err != nil {
				return err
			}
			done, err := s.modify(ctx, t, m)
			if err == nil {
				n = done.matched
			}
			return err
		})
		removed += n
		if err != nil || n < ttlBatch {
			return removed, err
		}
	}
}
