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

// clusterParams are the cluster-wide parameters, kept in memory. Safe for
// concurrent use.
type clusterParams struct {
	mu sync.RWMutex
	m  map[string]bsonx.Doc // fields by name, without _id
}

// ddoc builds a document of one field.
func ddoc(name string, v bsonx.Value) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Value(name, v)
	return b.Done()
}

func newClusterParams() *clusterParams {
	return &clusterParams{m: map[string]bsonx.Doc{
		"changeStreamOptions":               ddoc("preAndPostImages", bsonx.DocValue(ddoc("expireAfterSeconds", str("off")))),
		"changeStreams":                     ddoc("expireAfterSeconds", long(3600)),
		"defaultMaxTimeMS":                  ddoc("readOperations", long(0)),
		"internalSearchOptions":             ddoc("oversubscriptionFactor", bsonx.DoubleValue(1.064)),
		"pauseMigrationsDuringMultiUpdates": ddoc("enabled", yesNo(false)),
	}}
}

func (p *clusterParams) names() []string {
	p.mu.RLock()
	defer p.mu.RUnlock()
	names := make([]string, 0, len(p.m))
	for n := range p.m {
		names = append(names, n)
	}
	slices.Sort(names)
	return names
}

var getClusterParameterCommand = &Spec{
	Name: "getClusterParameter",
	Args: idl.Command("getClusterParameter",
		idl.Field{Name: "getClusterParameter", Types: idl.String | idl.Array, Elems: idl.String, Required: true},
		idl.Field{Name: "omitInFTDC", Types: idl.Bool}).Lenient(),
	Flags: AdminOnly, Privilege: onCluster(auth.GetClusterParameter), Help: "values of cluster parameters", Run: runGetClusterParameter,
}

func runGetClusterParameter(_ context.Context, rq *Request, b *bsonx.Builder) error {
	p := rq.Services.cluster
	var names []string
	switch v := rq.Args.At(0); {
	case v.Type == bsonx.String && string(bsonx.Str(v)) == "*":
		names = p.names()
	case v.Type == bsonx.String:
		names = []string{string(bsonx.Str(v))}
	default:
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if n := string(bsonx.Str(it.Value())); !slices.Contains(names, n) {
				names = append(names, n)
			}
		}
		if len(names) == 0 {
			return errcode.New(errcode.BadValue, "Must supply at least one cluster server parameter name to getClusterParameter")
		}
	}
	p.mu.RLock()
	defer p.mu.RUnlock()
	at := b.OpenArray("clusterParameters")
	for i, n := range names {
		d, ok := p.m[n]
		if !ok {
			return errcode.New(errcode.NoSuchKey, "Unknown server parameter: %s", n)
		}
		in := b.OpenDoc(bsonx.Index(i))
		b.String("_id", n)
		for it := bsonx.NewIter(d); it.Next(); {
			b.Element(it.Element())
		}
		b.Close(in)
	}
	b.Close(at)
	return nil
}

var setClusterParameterCommand = &Spec{
	Name:  "setClusterParameter",
	Args:  idl.Command("setClusterParameter", idl.Field{Name: "setClusterParameter", Types: idl.Object, Required: true}),
	Flags: AdminOnly | WriteConcern | Audited, Privilege: onCluster(auth.SetClusterParameter), Help: "changes a cluster parameter", Run: runSetClusterParameter,
}

func runSetClusterParameter(_ context.Context, rq *Request, _ *bsonx.Builder) error {
	d := rq.Args.Doc("setClusterParameter")
	it := bsonx.NewIter(d)
	if bsonx.Len(d) != 1 || !it.Next() || it.Value().Type != bsonx.Object {
		return errcode.New(errcode.InvalidOptions, "setClusterParameter only supports setting exactly one parameter, with a document")
	}
	p, name := rq.Services.cluster, string(it.Key())
	p.mu.Lock()
	defer p.mu.Unlock()
	old, ok := p.m[name]
	if !ok {
		return errcode.New(errcode.NoSuchKey, "Unknown server parameter: %s", name)
	}
	for in := bsonx.NewIter(it.Value().Data); in.Next(); {
		if bsonx.Lookup(old, string(in.Key())).Type == bsonx.Missing {
			return errcode.New(40415, "BSON field '%s.%s' is an unknown field.", name, in.Key())
		}
	}
	p.m[name] = slices.Clone(it.Value().Data)
	return nil
}
