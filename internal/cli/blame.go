package cli

import (
	"context"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func (a *app) blame() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "blame COLLECTION ID", Short: "Show which commit set each field of a document", Args: exactly(2, "a collection and an _id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.dbAt(cmd)
			if err != nil {
				return err
			}
			id, err := parseID(args[1])
			if err != nil {
				return err
			}
			b := &blamer{}
			l := a.list(field("field", "field"), field("lsn", "lsn"), field("time", "time"), column{"actor", actorOf}, field("value", "value"))
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				if err := runCursor(ctx, c, db, bson.D{{Key: "docHistory", Value: args[0]}, {Key: "id", Value: id}}, b.version); err != nil {
					return err
				}
				if !b.began || b.gone {
					return usage("%s has no document with that _id here; `argon history doc` shows its versions, if it had any", args[0])
				}
				for _, f := range b.fields {
					d, err := bson.Marshal(f.document())
					if err != nil {
						return err
					}
					if err := l.add(d); err != nil {
						return err
					}
				}
				return l.print()
			})
		},
	}
	t.branchFlag(cmd)
	t.pointFlags(cmd)
	return cmd
}

// blamer finds who set each field, from a document's versions, newest first.
type blamer struct {
	began, gone bool
	fields      []*blamed
}

// blamed is one field of the newest version: one that is no document with fields
// of its own.
type blamed struct {
	path  string
	value bson.RawValue
	by    bson.Raw // the version that set it
	set   bool
}

func (f *blamed) document() bson.D {
	d := bson.D{{Key: "field", Value: f.path}}
	for _, k := range []string{"lsn", "time", "actor"} {
		if v := f.by.Lookup(k); v.Type != 0 {
			d = append(d, bson.E{Key: k, Value: v})
		}
	}
	return append(d, bson.E{Key: "value", Value: f.value})
}

func (b *blamer) version(d bson.Raw) error {
	d = append(bson.Raw(nil), d...)
	doc, ok := d.Lookup("document").DocumentOK()
	if !b.began {
		b.began = true
		if b.gone = !ok; ok {
			b.leaves("", doc)
		}
	}
	if !ok { // deleted: what came before is another document
		b.settle(func(*blamed) bool { return true }, nil)
		return nil
	}
	var paths []string
	if list, ok := d.Lookup("changes").ArrayOK(); ok {
		values, _ := list.Values()
		for _, v := range values {
			paths = append(paths, cell(v.Document().Lookup("path")))
		}
	}
	b.settle(func(f *blamed) bool {
		for _, p := range paths {
			if p == f.path || strings.HasPrefix(f.path, p+".") || strings.HasPrefix(p, f.path+".") {
				return true
			}
		}
		return false
	}, d)
	// Where the history begins, what it begins with has set the rest.
	for _, f := range b.fields {
		if !f.set {
			f.by = d
		}
	}
	return nil
}

func (b *blamer) settle(hit func(*blamed) bool, by bson.Raw) {
	for _, f := range b.fields {
		if !f.set && hit(f) {
			f.set = true
			if by != nil {
				f.by = by
			}
		}
	}
}

func (b *blamer) leaves(path string, doc bson.Raw) {
	elems, _ := doc.Elements()
	for _, e := range elems {
		p := e.Key()
		if path != "" {
			p = path + "." + p
		}
		if sub, ok := e.Value().DocumentOK(); ok && len(sub) > 5 && p != "_id" {
			b.leaves(p, sub)
			continue
		}
		b.fields = append(b.fields, &blamed{path: p, value: e.Value()})
	}
}
