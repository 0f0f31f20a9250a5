package store

import "time"

// pressure slows commits down when compaction falls behind, long before the engine
// would stop them altogether: every file that is stacked in level 0 makes reads
// slower. It is used under Store.mu, so the delay is of all commits together.
type pressure struct {
	written int           // bytes since the last look
	stacked int           // sublevels of level 0 at the last look
	debt    time.Duration // to be slept
}

const (
	lookEvery   = 16 << 20 // bytes between two looks at the engine's metrics
	stackedFree = 12       // sublevels that cost nothing
	// delayPerByte is for each sublevel beyond: at 22 sublevels 25 MB/s.
	delayPerByte = 4 * time.Nanosecond
	// leastSleep is about what the system can sleep.
	leastSleep = time.Millisecond
	mostSleep  = time.Second
)

// add counts a commit's bytes and returns how long to sleep. sublevels is asked
// only now and then.
func (p *pressure) add(bytes int, sublevels func() int) time.Duration {
	if p.written += bytes; p.written >= lookEvery {
		p.written, p.stacked = 0, sublevels()
	}
	if p.stacked <= stackedFree {
		p.debt = 0
		return 0
	}
	p.debt += time.Duration(bytes*(p.stacked-stackedFree)) * delayPerByte
	if p.debt < leastSleep {
		return 0
	}
	d := min(p.debt, mostSleep)
	p.debt = 0
	return d
}

func (s *Store) sublevels() int { return int(s.db.Metrics().Levels[0].Sublevels) }
