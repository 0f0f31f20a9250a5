package equiv

import (
	"context"
	"maps"
	"slices"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// shrinker makes a program smaller for as long as its last operation differs.
type shrinker struct {
	base, other *side
	tries       int
	failed      bool // the difference is one between an answer and an error
}

// shrink returns a small program whose last operation differs between the sides,
// and the difference.
func shrink(ctx context.Context, base, other *side, p *program, at int) (*program, string) {
	s := &shrinker{base: base, other: other, tries: 4000}
	q := &program{docs: maps.Clone(p.docs), indexes: p.indexes}
	for i, o := range p.ops[:at+1] {
		if o.write || i == at {
			q.ops = append(q.ops, o)
		}
	}
	if why, failed := s.differs(ctx, q); why == "" {
		q.ops = slices.Clone(p.ops[:at+1])
	} else {
		s.failed = failed
	}
	for before := -1; before != s.size(q) && s.tries > 0; {
		before = s.size(q)
		s.pass(ctx, q)
	}
	why, _ := s.differs(ctx, q)
	return q, why
}

func (s *shrinker) size(q *program) int { return len(q.text(true)) }

// differs runs both sides; only the last operation counts.
func (s *shrinker) differs(ctx context.Context, q *program) (why string, failed bool) {
	s.tries--
	if s.tries < 0 {
		return "", false
	}
	want, err := s.base.run(ctx, q)
	if err != nil {
		return "", false
	}
	got, err := s.other.run(ctx, q)
	if err != nil {
		return "", false
	}
	last := len(q.ops) - 1
	if at, why := s.other.first(q, want, got); at == last {
		return why, want[last].code != 0 || got[last].code != 0
	}
	return "", false
}

// still reports whether the program differs in the way it did.
func (s *shrinker) still(ctx context.Context, q *program) bool {
	why, failed := s.differs(ctx, q)
	return why != "" && failed == s.failed
}

// pass tries to make each part of the program smaller once.
func (s *shrinker) pass(ctx context.Context, q *program) {
	for _, coll := range []string{"c", "e"} {
		coll := coll
		s.reduce(ctx, q, q.docs[coll], func(v any) { q.docs[coll], _ = v.(bson.A) })
	}
	s.reduce(ctx, q, q.indexes, func(v any) { q.indexes, _ = v.(bson.A) })
	for i := len(q.ops) - 2; i >= 0; i-- {
		all := q.ops
		if q.ops = slices.Delete(slices.Clone(all), i, i+1); !s.still(ctx, q) {
			q.ops = all
		}
	}
	for i := range q.ops {
		s.reduce(ctx, q, q.ops[i].cmd, func(v any) {
			q.ops = slices.Clone(q.ops)
			q.ops[i].cmd, _ = v.(bson.D)
		})
	}
}

// reduce tries smaller values in place of v and keeps those with which the
// program still differs. put puts a value in its place.
func (s *shrinker) reduce(ctx context.Context, q *program, v any, put func(any)) {
	try := func(w any) bool {
		put(w)
		if s.still(ctx, q) {
			v = w
			return true
		}
		put(v)
		return false
	}
	switch x := v.(type) {
	case bson.A:
		for n := len(x) / 2; n > 0; n /= 2 {
			for i := 0; i+n <= len(x); {
				if w := slices.Delete(slices.Clone(x), i, i+n); !slices.ContainsFunc(x[i:i+n], fixed) && try(w) {
					x = w
				} else {
					i += n
				}
			}
		}
		for i := range x {
			s.reduce(ctx, q, x[i], func(w any) { x = slices.Clone(x); x[i] = w; v = x; put(x) })
		}
	case bson.D:
		if fixed(x) {
			return
		}
		for i := 0; i < len(x); {
			if w := slices.Delete(slices.Clone(x), i, i+1); x[i].Key != "_id" && !keeps(x[i].Key) && len(x) > 1 && try(w) {
				x = w
			} else {
				i++
			}
		}
		for i := range x {
			if try(x[i].Value) {
				s.reduce(ctx, q, v, put)
				return
			}
		}
		for i := range x {
			if !keeps(x[i].Key) {
				s.reduce(ctx, q, x[i].Value, func(w any) { x = slices.Clone(x); x[i].Value = w; v = x; put(x) })
			}
		}
	default:
		s.simpler(v, try)
	}
}

func (s *shrinker) simpler(v any, try func(any) bool) {
	for _, w := range []any{int32(1), nil, ""} {
		if v == w || try(w) {
			return
		}
	}
}

// keeps: what decides about which documents come first stays as it is.
func keeps(key string) bool { return key == "sort" || key == "cursor" || key == "batchSize" }

// fixed: what puts documents in order stays, or the order would be what differs.
func fixed(v any) bool {
	d, ok := v.(bson.D)
	return ok && len(d) == 1 && (d[0].Key == "$sort" || d[0].Key == "$sortArray")
}
