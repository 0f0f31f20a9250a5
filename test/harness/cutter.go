package harness

import (
	"math/rand/v2"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/argon-db/argon/test/seed"
)

// Cutter passes bytes between clients and a server, and disturbs them: it cuts a
// connection off in place of a reply, so that the client does not know whether its
// command ran, and it holds a reply back for a while.
type Cutter struct {
	// Lose and Hold are the rates of replies that are lost, and that are held back
	// for up to Pause.
	Lose, Hold float64
	Pause      time.Duration

	l   net.Listener
	to  string
	mu  sync.Mutex
	rnd *rand.Rand
}

// NewCutter listens on a free port for clients of the server at to. It ends with
// the test.
func NewCutter(t testing.TB, to string) *Cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cutter{l: l, to: to, rnd: rand.New(rand.NewPCG(seed.Of(t), 1))}
	t.Cleanup(func() { _ = l.Close() })
	return c
}

// Start begins to accept; set the rates before.
func (c *Cutter) Start() {
	go func() {
		for {
			nc, err := c.l.Accept()
			if err != nil {
				return
			}
			go c.serve(nc)
		}
	}()
}

// Addr is where clients connect to.
func (c *Cutter) Addr() string { return c.l.Addr().String() }

// fate says what happens to a reply.
func (c *Cutter) fate() (lost bool, pause time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rnd.Float64() < c.Lose {
		return true, 0
	}
	if c.Pause > 0 && c.rnd.Float64() < c.Hold {
		pause = time.Duration(c.rnd.Int64N(int64(c.Pause)))
	}
	return false, pause
}

func (c *Cutter) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", c.to)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := client.Read(buf)
			if err != nil {
				_ = server.Close()
				return
			}
			if _, err := server.Write(buf[:n]); err != nil {
				return
			}
		}
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := server.Read(buf)
		if err != nil {
			return
		}
		lost, pause := c.fate()
		if lost {
			return
		}
		time.Sleep(pause)
		if _, err := client.Write(buf[:n]); err != nil {
			return
		}
	}
}
