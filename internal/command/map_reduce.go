package command

import (
	"context"
	"io"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/stage"
)

// mapReduce is an aggregation (MongoDB manual, "Map-Reduce to Aggregation
// Pipeline"): the functions run in $_internalJsEmit, $_internalJsReduce and
// $function, and the output is an $out or a $merge.
var mapReduceCommand = &Spec{
	Name: "mapReduce", Aliases: []string{"mapreduce"},
	Args: idl.Command("mapReduce",
		idl.Field{Name: "mapReduce", Types: idl.String, Required: true},
		codeField("map", true), codeField("reduce", true), codeField("finalize", false),
		idl.Field{Name: "out", Types: idl.Any, Required: true, Check: func(v bsonx.Value) error { _, err := readOutput(v); return err }},
		idl.Field{Name: "query", Types: idl.Object}, idl.Field{Name: "sort", Types: idl.Object}, idl.Field{Name: "limit", Types: idl.Number},
		idl.Field{Name: "scope", Types: idl.Object}, idl.Field{Name: "collation", Types: idl.Object},
		idl.Field{Name: "jsMode", Types: idl.SafeBool}, idl.Field{Name: "verbose", Types: idl.SafeBool},
		idl.Field{Name: "bypassDocumentValidation", Types: idl.SafeBool}),
	Flags:     Read | WriteConcern,
	Privilege: forUsers(mapReduceNeeds),
	Help:      "groups what a JavaScript function emits, with another one (needs --javascript)",
	Run:       runMapReduce,
}

// codeField is a function: a string or JavaScript; null is none if it may be left
// out.
func codeField(name string, required bool) idl.Field {
	return idl.Field{Name: name, Types: idl.Any, Required: required, Check: func(v bsonx.Value) error {
		if _, ok := expr.IsCode(v); !ok && (required || !bsonx.IsNullish(v)) {
			return errcode.New(errcode.BadValue, "'%s' must be of string or code type", name)
		}
		return nil
	}}
}

// reduceOutput is where the results go: mode is "inline", "replace", "merge" or
// "reduce".
type reduceOutput struct{ mode, db, coll string }

func readOutput(v bsonx.Value) (o reduceOutput, err error) {
	switch v.Type {
	case bsonx.String:
		return reduceOutput{mode: "replace", coll: string(bsonx.Str(v))}, nil
	case bsonx.Object:
	default:
		return o, errcode.New(errcode.BadValue, "'out' must be either a string or an object")
	}
	for it := bsonx.NewIter(v.Data); it.Next(); {
		name, v := string(it.Key()), it.Value()
		switch name {
		case "inline":
			if n, ok := bsonx.IntegralOK(v); !ok || n != 1 {
				return o, errcode.New(errcode.BadValue, "'inline' takes only numeric '1'")
			}
			o.mode = name
			continue
		case "sharded", "nonAtomic":
			continue
		}
		if v.Type != bsonx.String {
			return o, errcode.New(errcode.BadValue, "'%s' supports only a string value", name)
		}
		switch name {
		case "replace", "merge", "reduce":
			if o.mode != "" {
				return o, errcode.New(errcode.BadValue, "'out' must name one of replace, merge, reduce and inline")
			}
			o.mode, o.coll = name, string(bsonx.Str(v))
		case "db":
			o.db = string(bsonx.Str(v))
		default:
			return o, errcode.New(errcode.BadValue, "unknown field '%s' in 'out'", name)
		}
	}
	if o.mode == "" {
		return o, errcode.New(errcode.BadValue, "'out' must name one of replace, merge, reduce and inline")
	}
	return o, nil
}

func mapReduceNeeds(rq *Request, n *needs) error {
	n.collection(rq.DB, string(firstString(rq)), auth.Find)
	o, err := readOutput(rq.Args.Get("out"))
	if err != nil || o.mode == "inline" {
		return nil // the command itself reports the error
	}
	if o.db == "" {
		o.db = rq.DB
	}
	actions := map[string][]auth.Action{"replace": {auth.Insert, auth.Remove}, "merge": {auth.Insert, auth.Update}, "reduce": {auth.Insert, auth.Update}}
	n.collection(o.db, o.coll, actions[o.mode]...)
	n.bypass(o.db, o.coll)
	return nil
}

func runMapReduce(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	name, err := rq.Collection()
	if err != nil {
		return err
	}
	out, err := readOutput(rq.Args.Get("out"))
	if err != nil {
		return err
	}
	src, err := rq.openSource(ctx)
	if err != nil {
		return err
	}
	defer src.close()
	t, err := src.target(ctx, rq.DB, name)
	if err != nil {
		return err
	}
	if t.isView() {
		return errcode.New(errcode.CommandNotSupportedOnView, "mapReduce on a view is not supported")
	}
	if js := src.javaScript(ctx); js != nil {
		js.SetGlobals(keep(rq.Args.Doc("scope")))
	}
	a := &aggregateArgs{ns: stage.Namespace{DB: rq.DB, Coll: name}, collation: keep(rq.Args.Doc("collation")), allowDisk: true}
	if a.pipeline, err = rq.mapReducePipeline(out); err != nil {
		return err
	}
	it, err := src.aggregate(ctx, a)
	if err != nil {
		return err
	}
	defer func() { _ = it.Close() }()
	arr := -1
	if out.mode == "inline" {
		arr = b.OpenArray("results")
	}
	for i := 0; ; i++ {
		r, err := it.Next(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return err
		}
		b.Doc(bsonx.Index(i), r.Doc)
		if b.Size() > bsonx.MaxDocSize {
			return errcode.New(errcode.BSONObjectTooLarge, "the results do not fit into one document: write them to a collection with 'out'")
		}
	}
	switch {
	case arr >= 0:
		b.Close(arr)
	case out.db == "":
		b.String("result", out.coll)
	default:
		at := b.OpenDoc("result")
		b.String("db", out.db)
		b.String("collection", out.coll)
		b.Close(at)
	}
	return nil
}

// mapReducePipeline translates the command.
func (rq *Request) mapReducePipeline(out reduceOutput) ([]bsonx.Doc, error) {
	var list []bsonx.Doc
	add := func(name string, v any) { list = append(list, doc(name, v)) }
	if d := rq.Args.Doc("query"); d != nil && !bsonx.IsEmpty(d) {
		add("$match", keep(d))
	}
	if v := rq.Args.Get("sort"); v.Type == bsonx.Object {
		if bsonx.IsEmpty(v.Data) {
			return nil, errcode.New(errcode.Code(15976), "The mapReduce sort option must have at least one sort key")
		}
		add("$sort", keep(v.Data))
	}
	if v := rq.Args.Get("limit"); bsonx.IsNumber(v) {
		n := idl.ToInt64(v)
		if n < 0 {
			return nil, errcode.New(errcode.Code(15958), "The limit specified to mapReduce must be positive")
		}
		if n > 0 {
			add("$limit", n)
		}
	}
	reduce, _ := expr.IsCode(rq.Args.Get("reduce"))
	code, _ := expr.IsCode(rq.Args.Get("map"))
	add("$project", doc("_id", int64(0), "emits", doc("$_internalJsEmit", doc("eval", code, "this", "$$ROOT"))))
	add("$unwind", "$emits")
	add("$group", doc("_id", "$emits.k", "value", doc("$_internalJsReduce", doc("eval", reduce, "data", "$emits"))))
	call := func(code string, args ...any) bsonx.Doc {
		return doc("$project", doc("value", doc("$function", doc("body", doc("$literal", code), "args", args, "lang", "js"))))
	}
	final, finalize := expr.IsCode(rq.Args.Get("finalize"))
	if finalize && out.mode != "reduce" {
		list = append(list, call(final, "$_id", "$value"))
	}
	db := out.db
	if db == "" {
		db = rq.DB
	}
	switch out.mode {
	case "replace":
		add("$out", doc("db", db, "coll", out.coll))
	case "merge":
		add("$merge", doc("into", doc("db", db, "coll", out.coll), "on", "_id", "whenMatched", "replace", "whenNotMatched", "insert"))
	case "reduce":
		matched := []any{call(reduce, "$_id", []any{"$value", "$$new.value"})}
		if finalize {
			matched = append(matched, call(final, "$_id", "$value"))
		}
		add("$merge", doc("into", doc("db", db, "coll", out.coll), "on", "_id", "whenMatched", matched, "whenNotMatched", "insert"))
	}
	return list, nil
}

// doc makes a document of names and values: documents, lists, strings and longs.
func doc(pairs ...any) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	for i := 0; i+1 < len(pairs); i += 2 {
		put(b, pairs[i].(string), pairs[i+1])
	}
	return b.Done()
}

func put(b *bsonx.Builder, name string, v any) {
	switch v := v.(type) {
	case string:
		b.String(name, v)
	case int64:
		b.Int64(name, v)
	case bsonx.Doc:
		b.Doc(name, v)
	case []any:
		at := b.OpenArray(name)
		for i, e := range v {
			put(b, bsonx.Index(i), e)
		}
		b.Close(at)
	}
}
