package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

func fillSpec() (spec, output *idl.Spec) {
	return idl.New("$fill",
			idl.Field{Name: "partitionBy", Types: idl.String | idl.Object},
			idl.Field{Name: "partitionByFields", Types: idl.Array, Elems: idl.String},
			idl.Field{Name: "sortBy", Types: idl.Object},
			idl.Field{Name: "output", Types: idl.Object, Required: true}),
		idl.New("$fill.output",
			idl.Field{Name: "value", Types: idl.Any},
			idl.Field{Name: "method", Types: idl.String})
}

// parseFill makes a $setWindowFields of $fill's methods and an $addFields of its
// values.
func parseFill(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.FailedToParse, "The $fill stage specification must be an object, found %s", bsonx.TypeName(arg.Type))
	}
	var a idl.Args
	spec, output := fillSpec()
	if err := spec.Decode(bsonx.Doc(arg.Data), &a); err != nil {
		return nil, err
	}
	if bsonx.IsEmpty(a.Doc("output")) {
		return nil, errcode.New(6050203, "The output field in '$fill' must contain an object with at least one element")
	}
	methods, values := bsonx.NewDoc(nil), bsonx.NewDoc(nil)
	for it := bsonx.NewIter(a.Doc("output")); it.Next(); {
		if err := fillField(string(it.Key()), it.Value(), output, methods, values); err != nil {
			return nil, err
		}
	}
	by, err := fillPartition(&a)
	if err != nil {
		return nil, err
	}
	return fillStages(methods.Done(), values.Done(), by, a.Get("sortBy"), pc)
}

func fillField(field string, v bsonx.Value, spec *idl.Spec, methods, values *bsonx.Builder) error {
	if v.Type != bsonx.Object {
		return errcode.New(6050200, "Each fill output specification must be an object with exactly one field")
	}
	var a idl.Args
	if err := spec.Decode(bsonx.Doc(v.Data), &a); err != nil {
		return err
	}
	if a.Has("method") {
		if a.Has("value") {
			return errcode.New(6050201, "Each fill output specification must have exactly one of 'method' or 'value' fields, not both")
		}
		fn := map[string]string{"locf": "$locf", "linear": "$linearFill"}[a.String("method", "")]
		if fn == "" {
			return errcode.New(6050202, "Method must be either locf or linear")
		}
		at := methods.OpenDoc(field)
		methods.String(fn, "$"+field)
		methods.Close(at)
	}
	if a.Has("value") {
		at := values.OpenDoc(field)
		values.Array("$ifNull", bsonx.AppendArray(nil, []bsonx.Value{bsonx.StringValue("$" + field), a.Get("value")}))
		values.Close(at)
	}
	return nil
}

func fillPartition(a *idl.Args) (bsonx.Value, error) {
	if !a.Has("partitionByFields") {
		return a.Get("partitionBy"), nil
	}
	if a.Has("partitionBy") {
		return bsonx.Value{}, errcode.New(6050204, "Maximum one of 'partitionBy' and 'partitionByFields can be specified in '$fill'")
	}
	b := bsonx.NewDoc(nil)
	for it := bsonx.NewIter(a.Get("partitionByFields").Data); it.Next(); {
		f, _ := stringOf(it.Value())
		if f == "" || f[0] == '$' {
			return bsonx.Value{}, errcode.New(6050205, "The fields of 'partitionByFields' must be the names of fields")
		}
		b.String(f, "$"+f)
	}
	return bsonx.DocValue(b.Done()), nil
}

func fillStages(methods, values bsonx.Doc, by, sortBy bsonx.Value, pc *ParseContext) ([]Stage, error) {
	var out []Stage
	if !bsonx.IsEmpty(methods) {
		if pc.Update {
			return nil, errcode.New(errcode.InvalidOptions, "$setWindowFields is not allowed to be used within an update")
		}
		b := bsonx.NewDoc(nil)
		b.Value("partitionBy", by)
		b.Value("sortBy", sortBy)
		b.Doc("output", methods)
		st, err := parseWindow(bsonx.DocValue(b.Done()), pc)
		if err != nil {
			return nil, err
		}
		out = append(out, st...)
	}
	if bsonx.IsEmpty(values) {
		return out, nil
	}
	st, err := projecting("$addFields", compileAddFields("$addFields"))(bsonx.DocValue(values), pc)
	return append(out, st...), err
}
