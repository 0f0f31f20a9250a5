package command

import (
	"context"
	"sync"
	"time"

	"github.com/argon-db/argon/internal/errcode"
)

// watchClient is how often a getMore that waits looks whether its client is there.
const watchClient = 10 * time.Second

// patience returns a context for a wait: it ends after d, with the operation, when
// the server shuts down, and when the client is gone. It costs no goroutine, because
// thousands of change streams may wait.
func (rq *Request) patience(d time.Duration) (ctx context.Context, end func()) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	op := rq.Op
	op.OnEnd(cancel)
	stop := context.AfterFunc(rq.Services.quiescing, cancel)
	stopWatch := func() {}
	if gone := rq.Conn.Gone; gone != nil && d > watchClient {
		stopWatch = repeat(watchClient, func() bool {
			if gone() {
				op.Cancel(errcode.New(errcode.ClientDisconnect, "operation was interrupted because the client disconnected"))
			}
			return ctx.Err() == nil
		})
	}
	return ctx, func() {
		stopWatch()
		stop()
		op.OnEnd(nil)
		cancel()
	}
}

// repeat calls f every d until it returns false or stop is called; f does not run
// after stop has returned.
func repeat(d time.Duration, f func() bool) (stop func()) {
	var mu sync.Mutex
	var t *time.Timer
	stopped := false
	mu.Lock()
	defer mu.Unlock()
	t = time.AfterFunc(d, func() {
		mu.Lock()
		defer mu.Unlock()
		if !stopped && f() {
			t.Reset(d)
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		stopped = true
		t.Stop()
	}
}

// notAwaited is the result of a wait that brought nothing: none but for an
// operation that was ended, and a server that shuts down.
func (rq *Request) notAwaited(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if rq.Services.Quiescing() {
		return errcode.New(errcode.InterruptedAtShutdown, "interrupted at shutdown")
	}
	return nil
}
