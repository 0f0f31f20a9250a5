package command

import "sync/atomic"

// Stats counts what serverStatus and the metrics show. Safe for concurrent use.
type Stats struct {
	Inserts, Queries, Updates, Deletes, GetMores, Commands atomic.Int64
	Connections, TotalConnections, RejectedConnections     atomic.Int64
	BytesIn, BytesOut, Requests                            atomic.Int64
	UserAsserts, RegularAsserts                            atomic.Int64
	TxnStarted, TxnCommitted, TxnAborted                   atomic.Int64
}

// counter returns what counts a command: by its operation kind.
func (s *Stats) counter(c *Spec) *atomic.Int64 {
	switch c.OpKind {
	case "insert":
		return &s.Inserts
	case "query":
		return &s.Queries
	case "update":
		return &s.Updates
	case "remove":
		return &s.Deletes
	case "getmore":
		return &s.GetMores
	}
	return &s.Commands
}
