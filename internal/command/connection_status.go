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
	Flags: NoAuth | APIv1,
	Help:  "who the connection is authenticated as",
	Run:   runConnectionStatus,
}

func runConnectionStatus(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	at := b.OpenDoc("authInfo")
	if rq.Services.AuthInfo != nil {
		if err := rq.Services.AuthInfo(ctx, rq, b); err != nil {
			return err
		}
	} else {
		b.Close(b.OpenArray("authenticatedUsers"))
		b.Close(b.OpenArray("authenticatedUserRoles"))
		if rq.Args.Bool("showPrivileges", false) {
			b.Close(b.OpenArray("authenticatedUserPrivileges"))
		}
	}
	b.Close(at)
	b.Binary("uuid", 4, rq.Conn.UUID[:])
	return nil
}
