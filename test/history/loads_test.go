package history

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/wire"
)

// lists are the load of Check: transactions append to and read lists on two
// branches.
type lists struct {
	mu    sync.Mutex
	txns  []Txn
	value atomic.Int64
}

// key chooses a list: the newest few of those that there are, on either branch. A
// list has some 40 values, so that reads stay short.
func (l *lists) key(rng *rand.Rand) (db string, n int) {
	return []string{"lists", "lists~b"}[rng.IntN(2)], int(l.value.Load())/120 + rng.IntN(3)
}

func (l *lists) run(r *rig) {
	r.clients(6, func(_ int, rng *rand.Rand, c *mongo.Client) {
		for r.ctx.Err() == nil {
			t := Txn{Start: r.now()}
			var err error
			ops := func(ctx context.Context, n int) error {
				t.Ops = nil
				for range n {
					if rng.IntN(50) == 0 {
						time.Sleep(time.Duration(rng.IntN(100)) * time.Millisecond) // a client that pauses
					}
					op, err := l.op(ctx, rng, c)
					if op.Key != "" {
						t.Ops = append(t.Ops, op)
					}
					if err != nil {
						return err
					}
				}
				return nil
			}
			if rng.IntN(4) == 0 { // without a transaction
				if err = ops(context.Background(), 1); err != nil {
					t.Status = Unknown
				}
			} else {
				t.Status, _ = within(context.Background(), c, func(ctx context.Context) error { return ops(ctx, 1+rng.IntN(4)) })
			}
			t.End = r.now()
			l.mu.Lock()
			l.txns = append(l.txns, t)
			l.mu.Unlock()
		}
	})
}

func (l *lists) op(ctx context.Context, rng *rand.Rand, c *mongo.Client) (Op, error) {
	db, n := l.key(rng)
	coll := c.Database(db).Collection("c")
	op := Op{Key: fmt.Sprintf("%s/%d", db, n), Append: rng.IntN(2) == 0}
	if op.Append {
		op.Value = int(l.value.Add(1))
		_, err := coll.UpdateOne(ctx, id(n), bson.D{{Key: "$push", Value: bson.D{{Key: "v", Value: op.Value}}}}, options.UpdateOne().SetUpsert(true))
		return op, err
	}
	var err error
	op.List, err = list(ctx, coll, n)
	if err != nil {
		op = Op{} // nothing was seen
	}
	return op, err
}

func list(ctx context.Context, coll *mongo.Collection, n int) ([]int, error) {
	var d struct{ V []int }
	err := coll.FindOne(ctx, id(n)).Decode(&d)
	if err == mongo.ErrNoDocuments {
		err = nil
	}
	return d.V, err
}

func (l *lists) check(t *testing.T, r *rig, direct *mongo.Client) {
	last := Txn{Start: r.now()}
	for n := range int(l.value.Load())/120 + 3 {
		for _, db := range []string{"lists", "lists~b"} {
			v, err := list(t.Context(), direct.Database(db).Collection("c"), n)
			fail(t, "the last read", err)
			last.Ops = append(last.Ops, Op{Key: fmt.Sprintf("%s/%d", db, n), List: v})
		}
	}
	last.End = r.now()
	l.txns = append(l.txns, last)
	var of [3]int
	for _, x := range l.txns {
		of[x.Status]++
	}
	t.Logf("%d transactions committed, %d aborted, %d of unknown end", of[Committed], of[Aborted], of[Unknown])
	if of[Committed] < 100 {
		t.Errorf("only %d transactions have committed", of[Committed])
	}
	for _, a := range Check(l.txns) {
		t.Error(a)
	}
}

// bank has accounts on two branches; transfers go within and between them.
type bank struct{ reads, moves atomic.Int64 }

const (
	accounts = 6
	deposit  = 100
)

func (*bank) prepare(t *testing.T, direct *mongo.Client) {
	for i := range accounts {
		_, err := direct.Database("bank").Collection("c").InsertOne(t.Context(), bson.D{{Key: "_id", Value: i}, {Key: "n", Value: deposit}})
		fail(t, "an account", err)
	}
}

func sum(ctx context.Context, c *mongo.Client) (n int, err error) {
	for _, db := range []string{"bank", "bank~b"} {
		cur, err := c.Database(db).Collection("c").Find(ctx, bson.D{}, options.Find().SetBatchSize(2))
		if err != nil {
			return 0, err
		}
		var all []struct{ N int }
		if err := cur.All(ctx, &all); err != nil {
			return 0, err
		}
		for _, a := range all {
			n += a.N
		}
	}
	return n, nil
}

func (b *bank) run(r *rig) {
	r.clients(3, func(i int, rng *rand.Rand, c *mongo.Client) {
		for r.ctx.Err() == nil {
			if i == 0 {
				b.read(r, rng, c)
				continue
			}
			from, to := c.Database([]string{"bank", "bank~b"}[rng.IntN(2)]).Collection("c"), c.Database([]string{"bank", "bank~b"}[rng.IntN(2)]).Collection("c")
			x, y, n := rng.IntN(accounts), rng.IntN(accounts), rng.IntN(20)
			st, _ := within(context.Background(), c, func(ctx context.Context) error {
				if _, err := from.UpdateOne(ctx, id(x), inc("n", -n)); err != nil {
					return err
				}
				_, err := to.UpdateOne(ctx, id(y), inc("n", n))
				return err
			})
			if st == Committed {
				b.moves.Add(1)
			}
		}
	})
}

// read adds all accounts up, in a transaction or in a snapshot session.
func (b *bank) read(r *rig, rng *rand.Rand, c *mongo.Client) {
	var n int
	var err error
	if rng.IntN(2) == 0 {
		var st Status
		st, err = within(context.Background(), c, func(ctx context.Context) (err error) {
			n, err = sum(ctx, c)
			return err
		})
		if st != Committed {
			return
		}
	} else {
		s, serr := c.StartSession(options.Session().SetSnapshot(true))
		if serr != nil {
			return
		}
		defer s.EndSession(context.Background())
		n, err = sum(mongo.NewSessionContext(context.Background(), s), c)
	}
	if err != nil {
		return
	}
	if b.reads.Add(1); n != 2*accounts*deposit {
		r.t.Errorf("a snapshot's sum is %d, want %d", n, 2*accounts*deposit)
	}
}

func (b *bank) check(t *testing.T, direct *mongo.Client) {
	n, err := sum(t.Context(), direct)
	fail(t, "the last sum", err)
	if n != 2*accounts*deposit || b.reads.Load() == 0 || b.moves.Load() == 0 {
		t.Errorf("the last sum is %d, want %d, after %d transfers and %d sums", n, 2*accounts*deposit, b.moves.Load(), b.reads.Load())
	}
	t.Logf("%d transfers, %d sums", b.moves.Load(), b.reads.Load())
}

// registers are documents with one value each.
type registers struct {
	mu  sync.Mutex
	ops []porcupine.Operation
}

type registerOp struct {
	doc   int
	write bool
	value int
}

var registerModel = porcupine.Model{
	Partition: func(all []porcupine.Operation) [][]porcupine.Operation {
		by := map[int][]porcupine.Operation{}
		for _, op := range all {
			d := op.Input.(registerOp).doc
			by[d] = append(by[d], op)
		}
		var out [][]porcupine.Operation
		for _, ops := range by {
			out = append(out, ops)
		}
		return out
	},
	Init: func() any { return 0 },
	Step: func(state, in, out any) (bool, any) {
		if op := in.(registerOp); op.write {
			return true, op.value
		}
		return out.(int) == state.(int), state
	},
}

func (g *registers) run(r *rig) {
	var next atomic.Int64
	r.clients(3, func(i int, rng *rand.Rand, c *mongo.Client) {
		coll := c.Database("registers").Collection("c")
		for r.ctx.Err() == nil {
			in := registerOp{doc: int(r.now()/5e8)*4 + rng.IntN(4), write: rng.IntN(2) == 0}
			op := porcupine.Operation{ClientId: i, Call: r.now(), Output: 0}
			var err error
			if in.write {
				in.value = int(next.Add(1))
				_, err = coll.UpdateOne(context.Background(), id(in.doc), bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: in.value}}}}, options.UpdateOne().SetUpsert(true))
			} else {
				var d struct{ V int }
				if err = coll.FindOne(context.Background(), id(in.doc)).Decode(&d); err == mongo.ErrNoDocuments {
					err = nil
				}
				op.Output = d.V
			}
			op.Input, op.Return = in, r.now()
			if err != nil {
				if !in.write {
					continue
				}
				op.Return = math.MaxInt64 // it may happen at any time, or never
			}
			g.mu.Lock()
			g.ops = append(g.ops, op)
			g.mu.Unlock()
			time.Sleep(time.Duration(rng.IntN(10)) * time.Millisecond)
		}
	})
}

func (g *registers) check(t *testing.T) {
	switch porcupine.CheckOperationsTimeout(registerModel, g.ops, 30*time.Second) {
	case porcupine.Illegal:
		t.Errorf("a history of %d operations is not linearizable", len(g.ops))
	case porcupine.Unknown:
		t.Logf("%d operations are too many to check in 30 s", len(g.ops))
	}
	t.Logf("%d operations", len(g.ops))
}

// counters are counted by numbered writes that are sent until they are answered.
type counters struct{ sent [3]int }

func (k *counters) run(r *rig) {
	for i := range k.sent {
		r.wg.Go(func() {
			conn := &rawClient{addr: r.cut.Addr()}
			for r.ctx.Err() == nil {
				n := k.sent[i] + 1
				cmd := bson.D{{Key: "update", Value: "c"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: id(i)}, {Key: "u", Value: inc("n", 1)}, {Key: "upsert", Value: true}}}}}
				if n%2 == 0 {
					cmd = bson.D{{Key: "findAndModify", Value: "c"}, {Key: "query", Value: id(i)}, {Key: "update", Value: inc("n", 1)}}
				}
				cmd = append(cmd, bson.E{Key: "lsid", Value: bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte(fmt.Sprintf("counters-------%d", i))}}}},
					bson.E{Key: "txnNumber", Value: int64(n)}, bson.E{Key: "$db", Value: "counters"})
				reply := conn.until(cmd)
				if reply.Lookup("ok").Double() != 1 || reply.Lookup("writeErrors").Type != 0 {
					r.t.Errorf("increment %d: %v", n, reply)
					return
				}
				if v, err := reply.LookupErr("value", "n"); n%2 == 0 && (err != nil || v.AsInt64() != int64(n-1)) {
					r.t.Errorf("increment %d found %v", n, reply)
				}
				k.sent[i] = n
			}
		})
	}
}

func (k *counters) check(t *testing.T, direct *mongo.Client) {
	for i, want := range k.sent {
		var d struct{ N int }
		fail(t, "a counter", direct.Database("counters").Collection("c").FindOne(t.Context(), id(i)).Decode(&d))
		if d.N != want || want == 0 {
			t.Errorf("counter %d is %d, want %d", i, d.N, want)
		}
	}
	t.Logf("counted to %v", k.sent)
}

// rawClient speaks the wire protocol itself, so that it decides what is sent again.
type rawClient struct {
	addr string
	nc   net.Conn
	rd   *wire.Reader
}

// until sends a command until it is answered.
func (c *rawClient) until(cmd bson.D) bson.Raw {
	for {
		if r, err := c.send(cmd); err == nil {
			return r
		}
		if c.nc != nil {
			_ = c.nc.Close()
			c.nc = nil
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func (c *rawClient) send(cmd bson.D) (bson.Raw, error) {
	if c.nc == nil {
		nc, err := net.DialTimeout("tcp", c.addr, time.Second)
		if err != nil {
			return nil, err
		}
		c.nc, c.rd = nc, wire.NewReader(nc)
	}
	d, err := bson.Marshal(cmd)
	if err != nil {
		return nil, err
	}
	m := make([]byte, 21, 21+len(d))
	binary.LittleEndian.PutUint32(m, uint32(21+len(d)))
	binary.LittleEndian.PutUint32(m[12:], uint32(wire.OpMsg))
	_ = c.nc.SetDeadline(time.Now().Add(5 * time.Second))
	if _, err := c.nc.Write(append(m, d...)); err != nil {
		return nil, err
	}
	reply, err := c.rd.Next()
	if err != nil {
		return nil, err
	}
	return append(bson.Raw(nil), reply[21:]...), nil
}
