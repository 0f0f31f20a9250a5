package expr

import (
	"sort"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// accN is $firstN, $lastN, $minN and $maxN, $top, $bottom, $topN and $bottomN:
// the n values that come first in an order.
type accN struct {
	name  string
	n     Expr // nil for one value
	input Expr
	order *SortBy // of $top and its like; nil for the others
}

func (a *accN) New() State { return &stateN{accN: a} }

func compileAccN(c *call) (Accumulator, error) {
	a, err := compileNth(c)
	if err != nil {
		return nil, err
	}
	return &accN{name: c.name, n: a.n, input: a.input}, nil
}

func compileTop(c *call) (Accumulator, error) {
	many := c.name == "$topN" || c.name == "$bottomN"
	names := []string{"output", "sortBy"}
	if many {
		names = append(names, "n")
	}
	a, err := c.named(&namedSpec{names: names, notObject: 5788001, unknown: 5788002})
	if err != nil {
		return nil, err
	}
	if many && bsonx.IsMissing(a[2]) {
		return nil, errcode.New(errcode.Code(5788003), "Missing value for 'n'")
	}
	if bsonx.IsMissing(a[0]) {
		return nil, errcode.New(errcode.Code(5788004), "Missing value for 'output'")
	}
	if bsonx.IsMissing(a[1]) {
		return nil, errcode.New(errcode.Code(5788005), "Missing value for 'sortBy'")
	}
	if a[1].Type != bsonx.Object && a[1].Type != bsonx.Array {
		return nil, errcode.New(errcode.Code(10065), "invalid parameter: expected an object (sortBy)")
	}
	acc := &accN{name: c.name}
	if acc.order, err = compileOrder(a[1], c.sc); err != nil {
		return nil, err
	}
	if acc.input, err = Compile(a[0], c.sc); err != nil {
		return nil, err
	}
	if many {
		if acc.n, err = Compile(a[2], c.sc); err != nil {
			return nil, err
		}
	}
	return acc, nil
}

// ranked is a value with what it is ordered by.
type ranked struct {
	keys []bsonx.Value
	val  bsonx.Value
}

// stateN holds at most limit values: in ascending order of the sort, equal ones
// in the order of arrival, and $firstN and $lastN in that order only.
type stateN struct {
	*accN
	limit int // 0: not started
	vals  []ranked
	bytes int
}

// Start reads n from the group's _id.
func (s *stateN) Start(env *Env) error {
	s.limit = 1
	if s.n == nil {
		return nil
	}
	v, err := s.n.Eval(env)
	if err == nil {
		s.limit, err = checkN(v)
	}
	return err
}

func (s *stateN) Add(env *Env) error {
	if s.limit == 0 {
		if err := s.Start(env); err != nil {
			return err
		}
	}
	v, err := env.inGroup(s.input)
	if err != nil {
		return err
	}
	r := ranked{val: orNull(v)}
	switch {
	case s.name == "$firstN":
		if len(s.vals) == s.limit {
			return nil
		}
		return s.insert(len(s.vals), r)
	case s.name == "$lastN":
		if len(s.vals) == s.limit {
			s.remove(0)
		}
		return s.insert(len(s.vals), r)
	case s.order != nil:
		if r.keys, err = s.order.keysOf(env, nil); err != nil {
			return err
		}
	case bsonx.IsNullish(v):
		return nil
	}
	if len(s.vals) == s.limit {
		// Of equal values the first one stays.
		if s.fromEnd() {
			if s.compare(env, &r, &s.vals[0]) <= 0 {
				return nil
			}
			s.remove(0)
		} else {
			if s.compare(env, &r, &s.vals[s.limit-1]) >= 0 {
				return nil
			}
			s.remove(s.limit - 1)
		}
	}
	return s.insert(sort.Search(len(s.vals), func(i int) bool { return s.compare(env, &r, &s.vals[i]) < 0 }), r)
}

// fromEnd: the values at the end of the order are kept.
func (s *stateN) fromEnd() bool {
	return s.name == "$maxN" || s.name == "$bottom" || s.name == "$bottomN"
}

func (s *stateN) compare(env *Env, a, b *ranked) int {
	if s.order == nil {
		return env.Compare(a.val, b.val)
	}
	return s.order.compareKeys(env, a.keys, b.keys)
}

func (s *stateN) remove(at int) {
	s.bytes -= s.vals[at].size()
	s.vals = append(s.vals[:at], s.vals[at+1:]...)
}

func (s *stateN) insert(at int, r ranked) error {
	r.val = bsonx.Clone(r.val)
	for i := range r.keys {
		r.keys[i] = bsonx.Clone(r.keys[i])
	}
	s.vals = append(s.vals, ranked{})
	copy(s.vals[at+1:], s.vals[at:])
	s.vals[at] = r
	s.bytes += r.size()
	return checkMemory(s.name, s.bytes)
}

func (r *ranked) size() int {
	n := 64 + len(r.val.Data)
	for _, k := range r.keys {
		n += 32 + len(k.Data)
	}
	return n
}

func (s *stateN) Result(env *Env) (bsonx.Value, error) {
	if s.n == nil {
		if len(s.vals) == 0 {
			return bsonx.NullValue, nil
		}
		return s.vals[0].val, nil
	}
	vals := make([]bsonx.Value, len(s.vals))
	for i, r := range s.vals {
		if s.name == "$maxN" {
			i = len(vals) - 1 - i
		}
		vals[i] = r.val
	}
	return env.array(vals)
}

func (s *stateN) Size() int { return 64 + s.bytes }
