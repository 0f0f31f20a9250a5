package stage

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/dates"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/exec"
	"github.com/argon-db/argon/internal/query/expr"
)

// maxDensified is how many documents $densify may make.
const maxDensified = 500_000

// densifyStage is $densify: documents for the values of a field that are missing
// in a sequence.
type densifyStage struct {
	named
	pc        *ParseContext
	field     []string
	partition expr.Expr // the document of the partition's fields; nil: none
	grid      grid
	full      bool // bounds: "full" …
	explicit  bool // … or [lo, hi]; otherwise "partition"
	lo, hi    bsonx.Value
	order     *SortOrder
}

// grid is the sequence: a step in numbers, or in units of time.
type grid struct {
	step    bsonx.Value
	unit    dates.Unit
	hasUnit bool
	ar      *arith
}

func densifySpec() (spec, rng *idl.Spec) {
	return idl.New("$densify",
			idl.Field{Name: "field", Types: idl.String, Required: true},
			idl.Field{Name: "partitionByFields", Types: idl.Array, Elems: idl.String},
			idl.Field{Name: "range", Types: idl.Object, Required: true}),
		idl.New("$densify.range",
			idl.Field{Name: "step", Types: idl.Any, Required: true},
			idl.Field{Name: "bounds", Types: idl.Any, Required: true},
			idl.Field{Name: "unit", Types: idl.String})
}

func parseDensify(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	if arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.FailedToParse, "The $densify stage specification must be an object, found %s", bsonx.TypeName(arg.Type))
	}
	s := &densifyStage{named: name("$densify", arg), pc: pc}
	var a, r idl.Args
	spec, rng := densifySpec()
	if err := spec.Decode(bsonx.Doc(s.spec.Data), &a); err != nil {
		return nil, err
	}
	if err := rng.Decode(a.Doc("range"), &r); err != nil {
		return nil, err
	}
	if err := s.parseRange(&r); err != nil {
		return nil, err
	}
	var names []string
	for it := bsonx.NewIter(a.Get("partitionByFields").Data); it.Next(); {
		n, _ := stringOf(it.Value())
		names = append(names, n)
	}
	if err := s.parseFields(a.String("field", ""), names); err != nil {
		return nil, err
	}
	if !s.full && !s.explicit && len(names) == 0 {
		return nil, errcode.New(5733408, "One cannot specify the bounds as 'partition' without specifying a non-empty array of partitionByFields. You may have meant to specify 'full' bounds.")
	}
	return []Stage{s}, nil
}

func (s *densifyStage) parseRange(r *idl.Args) (err error) {
	g := &s.grid
	g.step = r.Get("step")
	if !bsonx.IsNumber(g.step) || bsonx.Compare(g.step, bsonx.Int32Value(0)) <= 0 {
		return errcode.New(5733401, "The step parameter in a range statement must be a strictly positive numeric value")
	}
	if r.Has("unit") {
		if _, ok := bsonx.IntegralOK(g.step); !ok {
			return errcode.New(6586400, "The step parameter in a range statement must be a whole number when densifying a date range")
		}
		if g.unit, g.hasUnit = dates.ParseUnit(r.String("unit", "")); !g.hasUnit {
			return errcode.New(errcode.FailedToParse, "unknown time unit value: %s", r.String("unit", ""))
		}
	}
	if g.ar, err = newArith("$add", "$subtract", "$mod"); err != nil {
		return err
	}
	switch b := r.Get("bounds"); b.Type {
	case bsonx.Array:
		return s.parseBounds(bsonx.Values(nil, b.Data))
	case bsonx.String:
		str, _ := stringOf(b)
		if s.full = str == "full"; !s.full && str != "partition" {
			return errcode.New(5946802, "Bounds string must either be 'full' or 'partition'")
		}
		return nil
	}
	return errcode.New(5733404, "The bounds in a range statement must be the string 'full', 'partition', or an ascending array of two numbers or two dates")
}

func (s *densifyStage) parseBounds(b []bsonx.Value) error {
	if len(b) != 2 {
		return errcode.New(5733403, "A bounding array in a range statement must have exactly two elements")
	}
	if bsonx.Compare(b[0], b[1]) > 0 {
		return errcode.New(5733402, "A bounding array must be an ascending array of either two dates or two numbers")
	}
	s.explicit, s.lo, s.hi = true, b[0], b[1]
	switch {
	case bsonx.IsNumber(b[0]) && s.grid.hasUnit:
		return errcode.New(5733409, "Numeric bounds may not have unit parameter")
	case bsonx.IsNumber(b[0]) && !bsonx.IsNumber(b[1]):
		return errcode.New(5733406, "A bounding array must contain either both dates or both numeric types")
	case bsonx.IsNumber(b[0]) && (b[0].Type != b[1].Type || b[0].Type != s.grid.step.Type):
		return errcode.New(5876900, "Upper bound, lower bound, and step must all have the same type")
	case bsonx.IsNumber(b[0]):
		return nil
	case b[0].Type != bsonx.Date:
		return errcode.New(5946800, "Explicit bounds must be numeric or dates")
	case b[1].Type != bsonx.Date:
		return errcode.New(5733405, "A bounding array must contain either both dates or both numeric types")
	case !s.grid.hasUnit:
		return errcode.New(5733410, "A bounding array of dates must specify a unit")
	}
	return nil
}

// parseFields makes the partition's expression and the order in which rows are
// read.
func (s *densifyStage) parseFields(field string, by []string) (err error) {
	order := bsonx.NewDoc(nil)
	part := bsonx.EmptyDoc
	for _, f := range by {
		switch { // compared as texts, as MongoDB does: "ab" includes "a" here
		case strings.HasPrefix(f, field):
			return errcode.New(8993000, "partitionByFields '%s' cannot include field '%s' that is being densified.", f, field)
		case strings.HasPrefix(field, f):
			return errcode.New(9554500, "field '%s' that is being densified cannot include partitionByFields '%s'.", field, f)
		}
		path, err := expr.SplitPath(f)
		if err != nil {
			return err
		}
		part = withField(nil, part, path, bsonx.StringValue("$"+f))
		if !s.full {
			order.Int32(f, 1)
		}
	}
	if s.field, err = expr.SplitPath(field); err != nil {
		return err
	}
	if len(by) > 0 {
		if s.partition, err = expr.Compile(bsonx.DocValue(part), s.pc.Scope); err != nil {
			return err
		}
	}
	order.Int32(field, 1)
	s.order, err = CompileSort(order.Done(), s.pc.Collation)
	return err
}

func (s *densifyStage) Open(oc *OpenContext, in exec.Iterator) (exec.Iterator, error) {
	return &densifyIter{
		s: s, oc: oc, in: NewSort(oc, in, s.order, 0, false),
		env: oc.env(s.pc), arEnv: s.grid.ar.env(oc.Query), parts: map[string]*densePart{},
	}, nil
}

// move adds n steps to a value.
func (g *grid) move(env *expr.Env, v bsonx.Value, n int64) (bsonx.Value, error) {
	if g.hasUnit {
		step, _ := bsonx.IntegralOK(g.step)
		ms, ok := dates.Add(bsonx.I64(v), g.unit, n*step, dates.UTC)
		if !ok {
			return v, errcode.New(5166406, "$dateAdd overflowed")
		}
		return bsonx.DateValue(ms), nil
	}
	if n < 0 {
		return g.ar.do(env, "$subtract", v, g.step)
	}
	return g.ar.do(env, "$add", v, g.step)
}

// on reports whether v is a whole number of steps away from base.
func (g *grid) on(env *expr.Env, base, v bsonx.Value) (bool, error) {
	if g.hasUnit {
		for bsonx.Compare(base, v) < 0 {
			var err error
			if base, err = g.move(env, base, 1); err != nil {
				return false, err
			}
		}
		return bsonx.Equal(base, v), nil
	}
	d, err := g.ar.do(env, "$subtract", v, base)
	if err != nil {
		return false, err
	}
	m, err := g.ar.do(env, "$mod", d, g.step)
	return floatOf(m) == 0, err
}
