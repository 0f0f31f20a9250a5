package daemon

import (
	"io"
	"strings"
	"sync"
)

// keptLines is how many log lines getLog can show, as MongoDB's.
const keptLines = 1024

// logLines passes a log through and keeps its newest lines.
type logLines struct {
	out   io.Writer
	mu    sync.Mutex
	ring  [keptLines]string
	total int64
}

func newLogLines(out io.Writer) *logLines { return &logLines{out: out} }

// Write takes one record, as slog's handlers write them.
func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ring[l.total%keptLines] = strings.TrimRight(string(p), "\n")
	l.total++
	return l.out.Write(p)
}

// Lines returns the kept lines, oldest first, and how many there were in all.
func (l *logLines) Lines() ([]string, int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := min(l.total, keptLines)
	out := make([]string, 0, n)
	for i := l.total - n; i < l.total; i++ {
		out = append(out, l.ring[i%keptLines])
	}
	return out, l.total
}
