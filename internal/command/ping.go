package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
)

var pingCommand = &Spec{
	Name:      "ping",
	Args:      idl.Command("ping", idl.Field{Name: "ping", Types: idl.Any}).Lenient(),
	Flags:     APIv1,
	Privilege: forAnyone(),
	Help:      "answers ok: the server is there",
	Run:       func(context.Context, *Request, *bsonx.Builder) error { return nil },
}
