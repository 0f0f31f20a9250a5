package command

import "sync/atomic"

// Stats counts what serverStatus and the metrics show. Safe for concurrent use.
type Stats struct {
	Inserts, Queries, Updates, Deletes, GetMores, Commands atomic.Int64
	Connections, TotalConnections, RejectedConnections     atomic.Int64
	BytesIn, BytesOut, Requests                            atomic.Int64
	UserAsserts, RegularAsserts                            atomic.Int64
}
