package exec

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/collate"
	"github.com/argon-db/argon/internal/query/expr"
	"github.com/argon-db/argon/internal/query/index"
	"github.com/argon-db/argon/internal/query/match"
)

type compiledKey struct{}

// Compile returns the compiled form of a catalog entry that is not a view. It is
// made once for each version of the entry.
func Compile(c *catalog.Collection) (*Collection, error) {
	v, err := c.Memo(compiledKey{}, func() (any, error) { return compile(c) })
	if err != nil {
		return nil, err
	}
	return v.(*Collection), nil
}

func compile(c *catalog.Collection) (*Collection, error) {
	out := &Collection{ID: c.ID, Name: c.Name, UUID: c.UUID, Catalog: c,
		ValidationLevel: "strict", ValidationAction: "error"}
	if err := out.options(c); err != nil {
		return nil, err
	}
	for _, ix := range c.Indexes {
		spec, err := index.Compile(ix.Spec)
		if err != nil {
			return nil, err
		}
		n := &Index{ID: ix.ID, Spec: spec, Building: ix.Building}
		if spec.Partial != nil {
			n.Partial, err = match.Compile(spec.Partial, match.Options{Collation: spec.Collator, Scope: scopeOf(spec.Collator)})
			if err != nil {
				return nil, err
			}
		}
		if ix.ID != catalog.IDIndex {
			out.Indexes = append(out.Indexes, n)
			continue
		}
		out.IDIndex = spec
		if c.ByRecordID {
			unique := *spec
			unique.Unique = c.Type != catalog.TypeTimeseries
			n.Spec = &unique
			out.IDEntries = n
		}
	}
	return out, nil
}

func scopeOf(c bsonx.Collator) *expr.Scope { return expr.NewScope(expr.ScopeOptions{Collation: c}) }

func (out *Collection) options(c *catalog.Collection) error {
	for it := bsonx.NewIter(c.Options); it.Next(); {
		v := it.Value()
		switch string(it.Key()) {
		case "collation":
			if v.Type == bsonx.Object {
				parsed, err := collate.Parse(v.Data)
				if err != nil {
					return err
				}
				out.Collation = parsed.Collator()
			}
		case "capped":
			out.Capped = bsonx.Truthy(v)
		case "size":
			out.CappedSize, _ = bsonx.IntegralOK(v)
		case "max":
			out.CappedMax, _ = bsonx.IntegralOK(v)
		case "validationLevel":
			out.ValidationLevel = string(bsonx.Str(v))
		case "validationAction":
			out.ValidationAction = string(bsonx.Str(v))
		case "validator":
			if v.Type == bsonx.Object && !bsonx.IsEmpty(v.Data) {
				out.ValidatorSpec = bsonx.Doc(v.Data)
			}
		case "timeseries":
			out.TimeField = string(bsonx.Str(bsonx.Lookup(v.Data, "timeField")))
		case "clusteredIndex":
			out.Clustered = bsonx.Truthy(v)
		}
	}
	if out.ValidatorSpec == nil {
		return nil
	}
	f, err := match.Compile(out.ValidatorSpec, match.Options{Collation: out.Collation, Scope: scopeOf(out.Collation)})
	out.Validator = f
	return err
}

// Entries returns the encoded keys and payloads of a document in an index, for
// index builds and checks; the partial filter is applied.
func (w *Writer) Entries(ix *Index, doc bsonx.Doc, each func(key, payload []byte) error) error {
	ents, _, err := w.entriesOf(ix, doc)
	if err != nil {
		return err
	}
	for _, e := range ents {
		if err := each(e.key, e.payload); err != nil {
			return err
		}
	}
	return nil
}
