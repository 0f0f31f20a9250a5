package cases

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/test/ejson"
)

// Answer runs a command and returns what it answers, as a file has it: the
// documents of a cursor, "error" and the code, or "reply" and the reply.
func Answer(ctx context.Context, db *mongo.Database, cmd any) ([]string, error) {
	reply, err := db.RunCommand(ctx, cmd).Raw()
	if err != nil {
		var se mongo.ServerError
		if !errors.As(err, &se) || len(se.ErrorCodes()) == 0 {
			return nil, err
		}
		return []string{fmt.Sprintf("error %d", se.ErrorCodes()[0])}, nil
	}
	if docs, err := reply.LookupErr("cursor", "firstBatch"); err == nil {
		return documents(bsonx.Arr(docs.Value)), nil
	}
	if code, err := reply.LookupErr("writeErrors", "0", "code"); err == nil {
		return []string{fmt.Sprintf("error %d", code.AsInt64())}, nil
	}
	b := bsonx.NewDoc(nil)
	for it := bsonx.NewIter(bsonx.Doc(reply)); it.Next(); {
		if !slices.Contains([]string{"ok", "operationTime", "$clusterTime"}, string(it.Key())) {
			b.Element(it.Element())
		}
	}
	return []string{"reply " + ejson.Format(bsonx.DocValue(b.Done()))}, nil
}

func documents(batch bsonx.Arr) []string {
	var out []string
	for it := bsonx.NewIter(batch); it.Next(); {
		out = append(out, ejson.Format(it.Value()))
	}
	if len(out) == 0 {
		return []string{"nothing"}
	}
	return out
}

// Run runs the steps on a database and returns what does not hold. With keep,
// the answers are written into the steps instead.
func (c *Case) Run(ctx context.Context, db *mongo.Database, keep bool) (diff string, err error) {
	for i := range c.Steps {
		s := &c.Steps[i]
		got, err := Answer(ctx, db, s.Command)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.Text, err)
		}
		if s.insert {
			if strings.HasPrefix(got[0], "error") {
				return fmt.Sprintf("%s\n  %s", s.Text, got[0]), nil
			}
			continue
		}
		if keep {
			s.Answer = got
			continue
		}
		want := slices.Clone(s.Answer)
		if s.AnyWay {
			slices.Sort(want)
			slices.Sort(got)
		}
		if !slices.Equal(got, normal(want)) {
			return fmt.Sprintf("%s\n  %s\nwant\n  %s", s.Text, strings.Join(got, "\n  "), strings.Join(want, "\n  ")), nil
		}
	}
	return "", nil
}

// normal gives written answers the form of Format, whatever their spaces.
func normal(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = l
		head, rest := "", l
		if strings.HasPrefix(l, "reply ") {
			head, rest = "reply ", l[len("reply "):]
		}
		if strings.HasPrefix(rest, "{") {
			if v, err := ejson.Parse([]byte(rest)); err == nil {
				out[i] = head + ejson.Format(v)
			}
		}
	}
	return out
}

// Text is a case as a file has it.
func (c *Case) Text() string {
	var b strings.Builder
	if c.Name != "" {
		fmt.Fprintf(&b, "# %s\n", c.Name)
	}
	for _, s := range c.Steps {
		b.WriteString(s.Text + "\n")
		for _, a := range s.Answer {
			b.WriteString("  " + a + "\n")
		}
	}
	return b.String()
}

// CommandText writes a command as a file has it, in its short form if it has one.
func CommandText(cmd bson.Raw) string {
	d := bsonx.Doc(cmd)
	it := bsonx.NewIter(d)
	if !it.Next() {
		return "> {}"
	}
	name, coll := string(it.Key()), it.Value()
	if coll.Type != bsonx.String || name != "find" && name != "aggregate" {
		return "> " + ejson.Format(bsonx.DocValue(d))
	}
	first := map[string]string{"find": "filter", "aggregate": "pipeline"}[name]
	arg, rest := bsonx.DocValue(bsonx.EmptyDoc), bsonx.NewDoc(nil)
	for it.Next() {
		switch key := string(it.Key()); {
		case key == first:
			arg = it.Value()
		case name == "aggregate" && key == "cursor":
		default:
			rest.Element(it.Element())
		}
	}
	text := fmt.Sprintf("> %s %s %s", name, bsonx.Str(coll), ejson.Format(arg))
	if more := rest.Done(); !bsonx.IsEmpty(more) {
		text += " " + ejson.Format(bsonx.DocValue(more))
	}
	return text
}
