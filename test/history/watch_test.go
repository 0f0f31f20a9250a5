package history

import (
	"context"
	"slices"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// watcher follows the lists of the main branch by a change stream, which goes on
// after every fault: each value has to come once, in the order of its list.
type watcher struct {
	seen   map[int][]int // list → values in the order of their events
	token  bson.Raw
	events int
	done   chan struct{}
	opened chan struct{}
	until  chan struct{}
}

func (w *watcher) run(r *rig) {
	w.seen, w.done, w.opened, w.until = map[int][]int{}, make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(w.done)
		c := r.connect(r.cut.Addr())
		defer func() { _ = c.Disconnect(context.Background()) }()
		for first := true; ; {
			o := options.ChangeStream().SetMaxAwaitTime(100 * time.Millisecond)
			if w.token != nil {
				o.SetResumeAfter(w.token)
			}
			s, err := c.Database("lists").Collection("c").Watch(context.Background(), bson.A{}, o)
			if err == nil {
				if first {
					w.token = s.ResumeToken()
					close(w.opened)
					first = false
				}
				w.follow(r, s)
				_ = s.Close(context.Background())
			}
			select {
			case <-w.until:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	<-w.opened
}

// follow reads events until the stream fails, or, once the load has ended, until
// there are no more.
func (w *watcher) follow(r *rig, s *mongo.ChangeStream) {
	for empty := 0; ; {
		if !s.TryNext(context.Background()) {
			if s.Err() != nil {
				return
			}
			select {
			case <-w.until:
				if empty++; empty > 3 {
					return
				}
			default:
			}
			continue
		}
		empty = 0
		var e struct {
			DocumentKey       bson.D `bson:"documentKey"`
			FullDocument      struct{ V []int }
			UpdateDescription struct {
				UpdatedFields bson.D `bson:"updatedFields"`
			} `bson:"updateDescription"`
		}
		if err := s.Decode(&e); err != nil {
			r.t.Errorf("an event: %v", err)
			return
		}
		w.events++
		w.token = s.ResumeToken()
		key, ok := e.DocumentKey[0].Value.(int32)
		if !ok {
			continue
		}
		w.seen[int(key)] = append(w.seen[int(key)], e.FullDocument.V...)
		for _, f := range e.UpdateDescription.UpdatedFields {
			w.seen[int(key)] = append(w.seen[int(key)], values(f.Value)...)
		}
	}
}

// values are what an update has appended: one value, or several.
func values(v any) []int {
	switch x := v.(type) {
	case int32:
		return []int{int(x)}
	case int64:
		return []int{int(x)}
	case bson.A:
		var out []int
		for _, e := range x {
			out = append(out, values(e)...)
		}
		return out
	}
	return nil
}

func (w *watcher) check(t *testing.T, l *lists, direct *mongo.Client) {
	close(w.until)
	select {
	case <-w.done:
	case <-time.After(30 * time.Second):
		t.Fatal("the watcher does not end")
	}
	for n := range int(l.value.Load())/120 + 3 {
		want, err := list(t.Context(), direct.Database("lists").Collection("c"), n)
		fail(t, "a list", err)
		if !slices.Equal(w.seen[n], want) {
			t.Errorf("list %d is %v, but its events were %v", n, want, w.seen[n])
		}
	}
	t.Logf("%d events", w.events)
}
