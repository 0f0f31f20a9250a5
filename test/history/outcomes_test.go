package history

import (
	"fmt"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/test/harness"
)

func fields(pairs ...any) bson.D {
	d := bson.D{}
	for i := 0; i < len(pairs); i += 2 {
		d = append(d, bson.E{Key: pairs[i].(string), Value: pairs[i+1]})
	}
	return d
}

// TestOutcomesSurviveKill: what was answered before the server was killed is
// answered again after it, and nothing happens twice: writes with their numbers,
// commits, and the end of a transaction that had none.
func TestOutcomesSurviveKill(t *testing.T) {
	data := t.TempDir()
	p := harness.StartProcess(t, data, "127.0.0.1:0")
	c := &rawClient{addr: p.Addr}
	restart := func() {
		t.Helper()
		p.Kill()
		p = harness.StartProcess(t, data, p.Addr)
	}
	lsid := func(n int) bson.D {
		return fields("id", bson.Binary{Subtype: 4, Data: []byte(fmt.Sprintf("outcomes-------%d", n))})
	}
	send := func(cmd bson.D, lsid bson.D, number int64, more ...any) bson.Raw {
		t.Helper()
		cmd = append(append(bson.D{}, cmd...), fields("lsid", lsid, "txnNumber", number)...)
		cmd = append(cmd, fields(more...)...)
		return c.until(append(cmd, bson.E{Key: "$db", Value: map[bool]string{true: "admin", false: "db"}[cmd[0].Key == "commitTransaction" || cmd[0].Key == "abortTransaction"]}))
	}
	n := func(doc int) int64 {
		t.Helper()
		v, _ := c.until(fields("find", "c", "filter", id(doc), "$db", "db")).Lookup("cursor", "firstBatch", "0", "n").AsInt64OK()
		return v
	}
	code := func(r bson.Raw) int64 { v, _ := r.Lookup("code").AsInt64OK(); return v }
	up := func(doc int) bson.D {
		return fields("update", "c", "updates", bson.A{fields("q", id(doc), "u", inc("n", 1), "upsert", true)})
	}

	// A write, three times.
	for round := range 3 {
		r := send(up(1), lsid(1), 1)
		_, err := r.LookupErr("retriedStmtIds")
		if code(r) != 0 || (err == nil) != (round > 0) || n(1) != 1 {
			t.Errorf("round %d of a write: %v; n is %d", round, r, n(1))
		}
		restart()
	}

	// A transaction whose commit is answered, and asked for again.
	start := []any{"autocommit", false, "startTransaction", true}
	if r := send(up(2), lsid(2), 1, start...); code(r) != 0 {
		t.Fatal(r)
	}
	for round := range 3 {
		if r := send(fields("commitTransaction", 1), lsid(2), 1, "autocommit", false); code(r) != 0 || n(2) != 1 {
			t.Errorf("commit %d: %v; n is %d", round, r, n(2))
		}
		restart()
	}
	if r := send(fields("abortTransaction", 1), lsid(2), 1, "autocommit", false); code(r) != 256 {
		t.Errorf("an abort after the commit: %v", r)
	}
	if r := send(up(2), lsid(2), 1); code(r) == 0 {
		t.Errorf("a write with the transaction's number: %v", r)
	}

	// One that was not committed is gone, and its number says so.
	if r := send(up(3), lsid(3), 5, start...); code(r) != 0 {
		t.Fatal(r)
	}
	restart()
	if r := send(fields("commitTransaction", 1), lsid(3), 5, "autocommit", false); code(r) != 251 || n(3) != 0 {
		t.Errorf("the commit of a transaction that was lost: %v; n is %d", r, n(3))
	}

	// A smaller number is refused after all this too.
	if r := send(up(1), lsid(1), 0); code(r) != 225 {
		t.Errorf("an older number: %v", r)
	}
}
