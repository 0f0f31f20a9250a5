package cases

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/test/ejson"
)

// Case is one block: its lines in order.
type Case struct {
	Name  string
	Steps []Step
}

// Step is a line of documents to insert or a command with what it answers.
type Step struct {
	Text    string // the line as it is written
	Command bson.Raw
	AnyWay  bool // documents in any order
	Answer  []string
	insert  bool // documents, or a command that has to succeed and no more
}

// Parse reads the blocks of a file. Blocks before the first command are put in
// front of every case.
func Parse(text string) (common []Step, cases []Case, err error) {
	var c Case
	flush := func() {
		switch {
		case len(c.Steps) == 0:
		case len(cases) == 0 && !c.asks():
			common = append(common, c.Steps...)
		default:
			cases = append(cases, c)
		}
		c = Case{}
	}
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.TrimSpace(line) == "":
			flush()
		case line[0] == '#':
			if c.Name == "" {
				c.Name = strings.TrimSpace(line[1:])
			}
		case line[0] == ' ' || line[0] == '\t':
			if len(c.Steps) == 0 || c.Steps[len(c.Steps)-1].insert {
				return nil, nil, fmt.Errorf("line %d answers no command", i+1)
			}
			s := &c.Steps[len(c.Steps)-1]
			s.Answer = append(s.Answer, strings.TrimSpace(line))
		default:
			s, err := parseStep(line)
			if err != nil {
				return nil, nil, fmt.Errorf("line %d: %w", i+1, err)
			}
			c.Steps = append(c.Steps, s)
		}
	}
	flush()
	return common, cases, nil
}

func (c *Case) asks() bool {
	for _, s := range c.Steps {
		if !s.insert {
			return true
		}
	}
	return false
}

func parseStep(line string) (Step, error) {
	s := Step{Text: line}
	var err error
	if line[0] == '+' {
		s.insert = true
		s.Command, err = parseCommand(strings.TrimSpace(line[1:]))
		return s, err
	}
	if line[0] != '>' {
		coll, docs, ok := strings.Cut(line, ":")
		if !ok {
			return s, errors.New("neither documents, nor a command")
		}
		vals, err := values(docs)
		if err != nil {
			return s, err
		}
		s.insert = true
		s.Command = command(bson.D{{Key: "insert", Value: coll}, {Key: "documents", Value: list(vals)}}, bsonx.Value{})
		return s, nil
	}
	text := line[1:]
	if strings.HasPrefix(text, "~") {
		s.AnyWay, text = true, text[1:]
	}
	s.Command, err = parseCommand(strings.TrimSpace(text))
	return s, err
}

func values(text string) (vs []bsonx.Value, err error) {
	for rest := []byte(text); len(bytes.TrimSpace(rest)) > 0; {
		var v bsonx.Value
		if v, rest, err = ejson.Next(rest); err != nil {
			return nil, err
		}
		vs = append(vs, v)
	}
	return vs, nil
}

func raw(v bsonx.Value) bson.RawValue { return bson.RawValue{Type: bson.Type(v.Type), Value: v.Data} }

func list(vs []bsonx.Value) bson.A {
	a := bson.A{}
	for _, v := range vs {
		a = append(a, raw(v))
	}
	return a
}

// command adds the fields of more to a command.
func command(d bson.D, more bsonx.Value) bson.Raw {
	if more.Type == bsonx.Object {
		for it := bsonx.NewIter(more.Data); it.Next(); {
			d = append(d, bson.E{Key: string(it.Key()), Value: raw(it.Value())})
		}
	}
	b, err := bson.Marshal(d)
	if err != nil {
		panic(err) // it is made of values that were read
	}
	return b
}

// parseCommand reads a command in one of its short forms or as a document.
func parseCommand(text string) (bson.Raw, error) {
	if strings.HasPrefix(text, "{") {
		v, err := ejson.Parse([]byte(text))
		return bson.Raw(v.Data), err
	}
	name, rest, _ := strings.Cut(text, " ")
	coll, rest, _ := strings.Cut(rest, " ")
	vs, err := values(rest)
	if err != nil {
		return nil, err
	}
	arg := func(i int) bsonx.Value {
		if i < len(vs) {
			return vs[i]
		}
		return bsonx.Value{}
	}
	statement := func(d bson.D, more bsonx.Value) bson.A { return bson.A{command(d, more)} }
	need, d, more := 1, bson.D{{Key: name, Value: coll}}, arg(1)
	switch name {
	case "find":
		d = append(d, bson.E{Key: "filter", Value: raw(arg(0))})
	case "aggregate":
		d = append(d, bson.E{Key: "pipeline", Value: raw(arg(0))}, bson.E{Key: "cursor", Value: bson.D{}})
		if coll == "1" {
			d[0].Value = 1
		}
	case "update":
		need, more = 2, bsonx.Value{}
		d = append(d, bson.E{Key: "updates", Value: statement(bson.D{{Key: "q", Value: raw(arg(0))}, {Key: "u", Value: raw(arg(1))}}, arg(2))})
	case "delete":
		more = bsonx.Value{}
		d = append(d, bson.E{Key: "deletes", Value: statement(bson.D{{Key: "q", Value: raw(arg(0))}, {Key: "limit", Value: 0}}, bsonx.Value{})})
	case "index":
		more = bsonx.Value{}
		d = bson.D{{Key: "createIndexes", Value: coll}, {Key: "indexes", Value: statement(bson.D{{Key: "key", Value: raw(arg(0))}, {Key: "name", Value: "ix"}}, arg(1))}}
	default:
		return nil, fmt.Errorf("there is no short form of %s", name)
	}
	if len(vs) < need || len(vs) > need+1 {
		return nil, fmt.Errorf("%s %s has %d arguments", name, coll, len(vs))
	}
	return command(d, more), nil
}
