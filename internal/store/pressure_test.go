package store

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPressure(t *testing.T) {
	stacked, looks := 0, 0
	var p pressure
	write := func(bytes int) (d time.Duration) {
		for range 1000 {
			d += p.add(bytes/1000, func() int { looks++; return stacked })
		}
		return d
	}
	require.Zero(t, write(64<<20))
	require.Equal(t, 3, looks) // at most every 16 MiB
	stacked = stackedFree
	require.Zero(t, write(64<<20))
	stacked = stackedFree + 10
	write(32 << 20)
	slow := write(25_000_000)
	require.InDelta(t, 1, slow.Seconds(), 0.01)
	stacked = stackedFree + 20
	write(32 << 20)
	require.InDelta(t, 2, write(25_000_000).Seconds()/slow.Seconds(), 0.01)
	require.LessOrEqual(t, p.add(1<<30, func() int { return 900 }), mostSleep)
	stacked = 0
	write(32 << 20)
	require.Zero(t, write(64<<20))
}
