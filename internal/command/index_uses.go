package command

import (
	"sync"
	"sync/atomic"
)

// indexUses counts how often each index was chosen since the server started, for
// $indexStats. Safe for concurrent use; the zero value is empty.
type indexUses struct {
	m sync.Map // useKey → *atomic.Int64
}

type useKey struct {
	planKey
	index string
}

func (u *indexUses) add(key planKey, index string) {
	k := useKey{key, index}
	n, ok := u.m.Load(k)
	if !ok {
		n, _ = u.m.LoadOrStore(k, new(atomic.Int64))
	}
	n.(*atomic.Int64).Add(1)
}

func (u *indexUses) of(key planKey, index string) int64 {
	if n, ok := u.m.Load(useKey{key, index}); ok {
		return n.(*atomic.Int64).Load()
	}
	return 0
}
