package stage

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// groupStage is $group.
type groupStage struct {
	named
	pc     *ParseContext
	id     expr.Expr
	fields []groupField
}

// groupField is one accumulated field of the result.
type groupField struct {
	name string
	acc  expr.Accumulator
	arg  bsonx.Value // {$sum: …} as given
}

func parseGroup(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(15947, "a group's fields must be specified in an object")
	}
	s := &groupStage{named: name("$group", arg), pc: pc}
	for it := bsonx.NewIter(s.spec.Data); it.Next(); {
		var err error
		switch key := string(it.Key()); {
		case key != "_id":
			err = s.addField(key, it.Value())
		case s.id != nil:
			err = errcode.New(15948, "a group's _id may only be specified once")
		default:
			s.id, err = compileGroupID(it.Value(), pc.Scope)
		}
		if err != nil {
			return nil, err
		}
	}
	if s.id == nil {
		return nil, errcode.New(15955, "a group specification must include an _id")
	}
	return []Stage{s}, nil
}

func (s *groupStage) addField(field string, v bsonx.Value) error {
	acc, err := compileGroupField(field, v, s.pc.Scope)
	if err == nil {
		s.fields = append(s.fields, groupField{field, acc, v})
	}
	return err
}

// compileGroupID compiles the _id: an expression, or an object of expressions
// whose values may not be a projection's 0, 1, true or false.
func compileGroupID(v bsonx.Value, sc *expr.Scope) (expr.Expr, error) {
	if v.Type == bsonx.Object {
		for it := bsonx.NewIter(v.Data); it.Next(); {
			if k := it.Key(); len(k) > 0 && k[0] == '$' {
				break
			}
			if bsonx.IsNumber(it.Value()) || it.Value().Type == bsonx.Bool {
				return nil, errcode.New(17390, "$group does not support inclusion-style expressions")
			}
		}
	}
	return expr.Compile(v, sc)
}

// compileGroupField checks and compiles {field: {$accumulator: …}}.
func compileGroupField(field string, v bsonx.Value, sc *expr.Scope) (expr.Accumulator, error) {
	it := bsonx.NewIter(v.Data)
	if v.Type != bsonx.Object || !it.Next() || len(it.Key()) == 0 || it.Key()[0] != '$' {
		return nil, errcode.New(40234, "The field '%s' must be an accumulator object", field)
	}
	for i := 0; i < len(field); i++ {
		if field[i] == '.' {
			return nil, errcode.New(40235, "The field name '%s' cannot contain '.'", field)
		}
	}
	if field != "" && field[0] == '$' {
		return nil, errcode.New(40236, "The field name '%s' cannot be an operator name", field)
	}
	op, arg := string(it.Key()), it.Value()
	if it.Next() {
		return nil, errcode.New(40238, "The field '%s' must specify one accumulator", field)
	}
	if arg.Type == bsonx.Array {
		return nil, errcode.New(40237, "The %s accumulator is a unary operator", op)
	}
	return expr.CompileAccumulator(op, arg, sc)
}

func (s *groupStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &groupIter{s: s, oc: oc, in: in, env: oc.env(s.pc), limit: oc.Memory.limit()}, nil
}
