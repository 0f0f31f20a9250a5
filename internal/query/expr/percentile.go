package expr

import (
	"math"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/numeric"
)

// percentile is {input, p, method} of $percentile, and of $median without p.
type percentile struct {
	input  Expr
	ps     []float64
	median bool
}

func parsePercentile(c *call, accumulating bool) (*percentile, error) {
	p := &percentile{median: c.name == "$median"}
	names := []string{"input", "method", "p"}
	if p.median {
		names, p.ps = names[:2], []float64{0.5}
	}
	notObject := errcode.Code(7436200)
	switch {
	case accumulating && p.median:
		notObject = 7436100
	case accumulating:
		notObject = 7429703
	case p.median:
		notObject = 7436201
	}
	a, err := c.named(&namedSpec{names: names, notObject: notObject, unknown: 40415})
	if err != nil {
		return nil, err
	}
	for i, v := range a {
		if bsonx.IsMissing(v) {
			return nil, errcode.New(errcode.Code(40414), "BSON field '%s.%s' is missing but a required field", c.name, names[i])
		}
	}
	if a[1].Type != bsonx.String {
		return nil, errcode.New(errcode.TypeMismatch, "BSON field '%s.method' is the wrong type '%s', expected type 'string'",
			c.name, bsonx.TypeName(a[1].Type))
	}
	if string(bsonx.Str(a[1])) != "approximate" {
		return nil, errcode.New(errcode.BadValue,
			"Currently only 'approximate' can be used as percentile 'method'.")
	}
	if !p.median {
		if p.ps, err = parsePs(a[2], c.sc); err != nil {
			return nil, err
		}
	}
	p.input, err = Compile(a[0], c.sc)
	return p, err
}

// parsePs reads p: a constant array of numbers from 0 to 1.
func parsePs(v bsonx.Value, sc *Scope) ([]float64, error) {
	e, err := Compile(v, sc)
	if err != nil {
		return nil, err
	}
	arr, ok := Constant(e)
	if !ok {
		return nil, errcode.New(errcode.Code(7750300),
			"The $percentile 'p' field must be an array of constant values, but found value: %s.", render(v))
	}
	if arr.Type != bsonx.Array || bsonx.IsEmpty(arr.Data) {
		return nil, errcode.New(errcode.Code(7750301),
			"The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", render(v))
	}
	var ps []float64
	for it := bsonx.NewIter(arr.Data); it.Next(); {
		if !bsonx.IsNumber(it.Value()) {
			return nil, errcode.New(errcode.Code(7750302),
				"The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", render(it.Value()))
		}
		f := numeric.ToFloat(it.Value())
		if !(f >= 0 && f <= 1) {
			return nil, errcode.New(errcode.Code(7750303),
				"The $percentile 'p' field must be an array of numbers from [0.0, 1.0], but found: %s", render(it.Value()))
		}
		ps = append(ps, f)
	}
	return ps, nil
}

// sample holds the numbers that percentiles are taken of.
type sample struct {
	*percentile
	vals []float64
}

func (s *sample) add(_ *Env, v bsonx.Value) error {
	if bsonx.IsNumber(v) {
		if f := numeric.ToFloat(v); !math.IsNaN(f) {
			s.vals = append(s.vals, f)
		}
	}
	return checkMemory("$percentile", 8*len(s.vals))
}

// result: the p-th percentile is the smallest value that at least p of all
// values do not exceed.
func (s *sample) result(env *Env) (bsonx.Value, error) {
	sorted := slices.Clone(s.vals)
	slices.Sort(sorted)
	out := make([]bsonx.Value, len(s.ps))
	for i, p := range s.ps {
		out[i] = bsonx.NullValue
		if n := len(sorted); n > 0 {
			out[i] = env.Arena.Double(sorted[max(0, int(math.Ceil(p*float64(n)))-1)])
		}
	}
	if s.median {
		return out[0], nil
	}
	return env.array(out)
}

func (s *sample) size() int { return 64 + 8*cap(s.vals) }

func compileAccPercentile(c *call) (Accumulator, error) {
	p, err := parsePercentile(c, true)
	if err != nil {
		return nil, err
	}
	return &reducing{p.input, func() reducer { return &sample{percentile: p} }}, nil
}

// compilePercentile is the expression: over an array's numbers, or one number.
func compilePercentile(c *call) (Expr, error) {
	p, err := parsePercentile(c, false)
	if err != nil {
		return nil, err
	}
	return foldStrict(func(env *Env, args []bsonx.Value) (bsonx.Value, error) {
		s := &sample{percentile: p}
		vals := args
		if args[0].Type == bsonx.Array {
			vals = bsonx.Values(nil, args[0].Data)
		}
		for _, v := range vals {
			if err := s.add(env, v); err != nil {
				return bsonx.Value{}, err
			}
		}
		return s.result(env)
	}, []Expr{p.input}, c.sc)
}
