package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
)

var connectionStatusCommand = &Spec{
	Name: "connectionStatus",
	Args: idl.Command("connectionStatus",
		idl.Field{Name: "connectionStatus", Types: idl.Any},
		idl.Field{Name: "showPrivileges", Types: idl.SafeBool}),
	Flags:     APIv1,
	Privilege: forAnyone(),
	Help:      "who the connection is authenticated as",
	Run:       runConnectionStatus,
}

func runConnectionStatus(_ context.Context, rq *Request, b *bsonx.Builder) error {
	at := b.OpenDoc("authInfo")
	rq.appendAuthInfo(b)
	b.Close(at)
	b.Binary("uuid", 4, rq.Conn.UUID[:])
	return nil
}
