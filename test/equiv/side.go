package equiv

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/test/cases"
	"github.com/argon-db/argon/test/ejson"
)

// side is a way to run a program.
type side struct {
	name    string
	client  *mongo.Client
	indexes bool
	// branch: half of the documents were there before the branch on which the rest
	// happens, and its parent goes on without it.
	branch bool
	// past: reads run when all is over, at the points where they stand.
	past bool
	// same: it reads the documents in the same order as the first side, so that
	// errors are the same as well.
	same bool
	// lenient: it evaluates what the first side does not, so that it may fail.
	lenient bool
}

// sides made so many databases, each with a name of its own.
var databases atomic.Int64

// outcome is what a command answered: documents, or an error.
type outcome struct {
	code int
	docs []string // or the one reply
}

// run runs the program from the start and returns the outcomes of its commands.
func (s *side) run(ctx context.Context, p *program) ([]outcome, error) {
	name := "q" + strconv.FormatInt(databases.Add(1), 10)
	db := s.client.Database(name)
	defer func() { _ = db.Drop(context.WithoutCancel(ctx)) }()
	if err := s.setup(ctx, db, p); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	if s.branch {
		db = s.client.Database(name + "~b")
		defer func(d *mongo.Database) { _ = d.Drop(context.WithoutCancel(ctx)) }(db)
	}
	out := make([]outcome, len(p.ops))
	var err error
	tag := func(i int) string { return "t" + strconv.Itoa(i) }
	point := ""
	points := make([]string, len(p.ops))
	for i, o := range p.ops {
		if s.past && !o.write {
			if point == "" {
				if err := db.RunCommand(ctx, doc("createTag", tag(i))).Err(); err != nil {
					return nil, err
				}
				point = tag(i)
			}
			points[i] = point
			continue
		}
		point = ""
		if out[i], err = o.run(ctx, db); err != nil {
			return nil, fmt.Errorf("%s: %v: %w", s.name, o.cmd, err)
		}
	}
	for i, o := range p.ops {
		if s.past && !o.write {
			if out[i], err = o.run(ctx, s.client.Database(name+"@"+points[i])); err != nil {
				return nil, fmt.Errorf("%s: %v: %w", s.name, o.cmd, err)
			}
		}
	}
	return out, nil
}

func (s *side) setup(ctx context.Context, db *mongo.Database, p *program) error {
	if err := db.CreateCollection(ctx, "c"); err != nil {
		return err
	}
	for i, ix := range p.indexes {
		if !s.indexes {
			break
		}
		d := append(slices.Clone(ix.(bson.D)), bson.E{Key: "name", Value: "ix" + strconv.Itoa(i)})
		for _, coll := range []string{"c", "e"} {
			if err := db.RunCommand(ctx, bson.D{{Key: "createIndexes", Value: coll}, {Key: "indexes", Value: bson.A{d}}}).Err(); err != nil {
				return err
			}
		}
	}
	insert := func(db *mongo.Database, coll string, docs bson.A) error {
		if len(docs) == 0 {
			return nil
		}
		_, err := db.Collection(coll).InsertMany(ctx, docs)
		return err
	}
	if err := insert(db, "e", p.docs["e"]); err != nil {
		return err
	}
	docs := p.docs["c"]
	if s.branch {
		half := len(docs) / 2
		if err := insert(db, "c", docs[:half]); err != nil {
			return err
		}
		if err := db.RunCommand(ctx, doc("createBranch", "b")).Err(); err != nil {
			return err
		}
		if _, err := db.Collection("c").DeleteMany(ctx, doc("n", doc("$ne", 2))); err != nil {
			return err
		}
		db, docs = db.Client().Database(db.Name()+"~b"), docs[half:]
	}
	return insert(db, "c", docs)
}

// generated are ObjectIds that are from this century: the generator's are not.
var generated = regexp.MustCompile(`\{"\$oid":"[67][0-9a-f]{23}"\}`)

// run runs the command. An error that is not the server's answer is returned.
func (o *op) run(ctx context.Context, db *mongo.Database) (outcome, error) {
	lines, err := cases.Answer(ctx, db, o.cmd)
	if err != nil {
		var se mongo.ServerError
		if errors.As(err, &se) {
			return outcome{code: -1}, nil
		}
		return outcome{}, err
	}
	if rest, ok := strings.CutPrefix(lines[0], "error "); ok {
		code, err := strconv.Atoi(rest)
		return outcome{code: code}, err
	}
	for i, l := range lines {
		if o.loose {
			l = loosely(l)
		}
		lines[i] = generated.ReplaceAllString(l, "a new ObjectId")
	}
	if !o.ordered {
		slices.Sort(lines)
	}
	return outcome{docs: lines}, nil
}

// loosely writes an answer again with one form for equal numbers, and a list of
// distinct's values in the order of that form.
func loosely(line string) string {
	text, isReply := strings.CutPrefix(line, "reply ")
	v, err := ejson.Parse([]byte(text))
	if err != nil {
		return line
	}
	if vals := bsonx.Lookup(bsonx.Doc(v.Data), "values"); isReply && vals.Type == bsonx.Array {
		var all []string
		for it := bsonx.NewIter(vals.Data); it.Next(); {
			all = append(all, ejson.Format(oneForm(it.Value())))
		}
		slices.Sort(all)
		return strings.Join(all, ", ")
	}
	return ejson.Format(oneForm(v))
}

// oneForm makes every number a double, and gives other equal values one form.
func oneForm(v bsonx.Value) bsonx.Value {
	switch {
	case v.Type == bsonx.Object || v.Type == bsonx.Array:
		b := bsonx.NewDoc(nil)
		for it := bsonx.NewIter(v.Data); it.Next(); {
			b.Value(string(it.Key()), oneForm(it.Value()))
		}
		return bsonx.Value{Type: v.Type, Data: b.Done()}
	case bsonx.IsNumber(v):
		r := bson.RawValue{Type: bson.Type(v.Type), Value: v.Data}
		text := strings.Trim(ejson.Format(v), `{}`)
		if d, ok := r.Decimal128OK(); ok {
			text = d.String()
		} else if d, ok := r.AsInt64OK(); ok && v.Type != bsonx.Double {
			text = strconv.FormatInt(d, 10)
		} else if v.Type == bsonx.Double {
			text = strconv.FormatFloat(bsonx.F64(v), 'g', -1, 64)
		}
		f, _ := strconv.ParseFloat(text, 64)
		if f == 0 {
			f = 0 // not -0
		}
		return bsonx.DoubleValue(f)
	case v.Type == bsonx.Undefined: // as good as null
		return bsonx.NullValue
	case v.Type == bsonx.Symbol: // equal to the string
		return bsonx.StringValue(string(bsonx.Str(v)))
	}
	return v
}
