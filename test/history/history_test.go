package history

import (
	"testing"
)

func app(key string, v int) Op            { return Op{Key: key, Append: true, Value: v} }
func read(key string, list ...int) Op     { return Op{Key: key, List: list} }
func txn(start, end int64, ops ...Op) Txn { return Txn{Ops: ops, Start: start, End: end} }
func with(s Status, t Txn) Txn            { t.Status = s; return t }

// TestCheck: a history of each anomaly, and what snapshot isolation allows.
func TestCheck(t *testing.T) {
	for name, c := range map[string]struct {
		want string
		txns []Txn
	}{
		"serial":                     {"", []Txn{txn(1, 2, app("x", 1)), txn(3, 4, read("x", 1), app("x", 2)), txn(5, 6, read("x", 1, 2))}},
		"write skew is allowed":      {"", []Txn{txn(1, 9, read("x"), read("y"), app("x", 1)), txn(2, 8, read("x"), read("y"), app("y", 2)), txn(10, 11, read("x", 1), read("y", 2))}},
		"a stale snapshot at once":   {"", []Txn{txn(1, 5, app("x", 1)), txn(4, 9, read("x")), txn(10, 11, read("x", 1))}},
		"a stale read afterwards":    {"G-SI", []Txn{txn(1, 2, app("x", 1)), txn(3, 4, read("x")), txn(5, 6, read("x", 1))}},
		"lost update":                {"G-SI", []Txn{txn(1, 9, read("x"), app("x", 1)), txn(2, 8, read("x"), app("x", 2)), txn(10, 11, read("x", 1, 2))}},
		"read skew":                  {"G-SI", []Txn{txn(1, 5, app("x", 1), app("y", 1)), txn(1, 9, read("x", 1), read("y")), txn(10, 11, read("x", 1), read("y", 1))}},
		"long fork":                  {"G-SI", []Txn{txn(1, 9, app("x", 1)), txn(1, 9, app("y", 2)), txn(1, 9, read("x", 1), read("y")), txn(1, 9, read("x"), read("y", 2)), txn(10, 11, read("x", 1), read("y", 2))}},
		"aborted read":               {"G1a", []Txn{with(Aborted, txn(1, 2, app("x", 1))), txn(3, 4, read("x", 1))}},
		"read of nobody's value":     {"G1a", []Txn{txn(3, 4, read("x", 7))}},
		"intermediate read":          {"G1b", []Txn{txn(1, 9, app("x", 1), app("x", 2)), txn(2, 3, read("x", 1)), txn(10, 11, read("x", 1, 2))}},
		"circular information":       {"G1c", []Txn{txn(1, 9, app("x", 1), read("y", 2)), txn(1, 9, app("y", 2), read("x", 1)), txn(10, 11, read("x", 1), read("y", 2))}},
		"dirty write":                {"G0", []Txn{txn(1, 9, app("x", 1), app("y", 3)), txn(1, 9, app("x", 2), app("y", 4)), txn(10, 11, read("x", 1, 2), read("y", 4, 3))}},
		"no common order":            {"order", []Txn{txn(1, 9, app("x", 1)), txn(1, 9, app("x", 2)), txn(1, 9, read("x", 1)), txn(1, 9, read("x", 2, 1))}},
		"an append twice":            {"order", []Txn{txn(1, 2, app("x", 1)), txn(3, 4, read("x", 1, 1))}},
		"own writes are not seen":    {"internal", []Txn{txn(1, 2, app("x", 1), read("x"))}},
		"unrepeatable read":          {"internal", []Txn{txn(1, 2, app("x", 1)), txn(1, 9, read("x"), read("x", 1))}},
		"an acknowledged append":     {"lost", []Txn{txn(1, 2, app("x", 1)), txn(3, 4, app("y", 1)), txn(5, 6, read("y", 1))}},
		"an unknown one may be lost": {"", []Txn{with(Unknown, txn(1, 2, app("x", 1))), txn(3, 4, read("x"))}},
		"or be there":                {"", []Txn{with(Unknown, txn(1, 2, app("x", 1))), txn(3, 4, read("x", 1))}},
		"but not come and go":        {"G-SI", []Txn{with(Unknown, txn(1, 2, app("x", 1))), txn(3, 4, read("x", 1)), txn(5, 6, read("x"))}},
	} {
		found := Check(c.txns)
		switch {
		case c.want == "" && len(found) > 0:
			t.Errorf("%s: %v", name, found)
		case c.want != "" && (len(found) == 0 || found[0].Kind != c.want):
			t.Errorf("%s: %v, want %s", name, found, c.want)
		}
	}
}
