package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var getLogCommand = &Spec{
	Name:      "getLog",
	Args:      idl.Command("getLog", idl.Field{Name: "getLog", Types: idl.String, Required: true}),
	Flags:     AdminOnly,
	Privilege: onCluster(auth.GetLog),
	Help:      "the newest lines of the server's log",
	Run:       runGetLog,
}

func runGetLog(_ context.Context, rq *Request, b *bsonx.Builder) error {
	var lines []string
	var total int64
	switch name := rq.Args.String("getLog", ""); name {
	case "*":
		at := b.OpenArray("names")
		b.String("0", "global")
		b.String("1", "startupWarnings")
		b.Close(at)
		return nil
	case "global":
		lines, total = rq.Services.LogLines()
	case "startupWarnings":
	default:
		return errcode.New(errcode.OperationFailed, "No log named '%s'", name)
	}
	b.Int32("totalLinesWritten", int32(total))
	at := b.OpenArray("log")
	for i, l := range lines {
		b.String(bsonx.Index(i), l)
	}
	b.Close(at)
	return nil
}
