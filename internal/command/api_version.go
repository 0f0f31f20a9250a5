package command

import (
	"context"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// The stable API: a command may say which version of it it means. Version 1 is
// the only one; version 2 exists for the commands below alone, when the server was
// told to take it, so that drivers can test how they declare versions.

// checkAPI checks what a command says about the API version.
func (d *Dispatcher) checkAPI(rq *Request, g *idl.Generic) error {
	version := g.Get(idl.APIVersion)
	strict, deprecation := g.Get(idl.APIStrict), g.Get(idl.APIDeprecationErrors)
	if version.Type == bsonx.Missing {
		if strict.Type != bsonx.Missing || deprecation.Type != bsonx.Missing {
			return errcode.New(errcode.APIVersionError, "Provided apiStrict and/or apiDeprecationErrors without passing apiVersion")
		}
		if rq.Spec.Flags&Legacy == 0 && d.services.Params.Bool("requireApiVersion") {
			return errcode.New(498870, "The apiVersion parameter is required, please configure your MongoClient's API version")
		}
		return nil
	}
	in, deprecated := APIv1, DeprecatedInV1
	switch v := string(bsonx.Str(version)); {
	case v == "2" && d.services.Params.Bool("acceptApiVersion2"):
		in, deprecated = APIv2, DeprecatedInV2
	case v != "1":
		return errcode.New(errcode.APIVersionError, "API version must be \"1\"")
	}
	switch {
	case bsonx.Truthy(strict) && rq.Spec.Flags&in == 0:
		return errcode.New(errcode.APIStrictError, "Provided apiStrict:true, but the command %s is not in API Version %s. Information on supported commands and migrations in API Version %s can be found at https://dochub.mongodb.org/core/manual-versioned-api", rq.Name, bsonx.Str(version), bsonx.Str(version))
	case bsonx.Truthy(deprecation) && rq.Spec.Flags&deprecated != 0:
		return errcode.New(errcode.APIDeprecationError, "Provided apiDeprecationErrors:true, but the command %s is deprecated in API Version %s", rq.Name, bsonx.Str(version))
	}
	return nil
}

func apiTestCommand(name string, f Flags) *Spec {
	return &Spec{
		Name: name, Args: nameOnly(name), Flags: f | ForTests, Privilege: forUsers(), Help: "for tests of API versions (with enableTestCommands only)",
		Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
			for _, f := range []struct {
				name string
				id   int
			}{{"apiVersion", idl.APIVersion}, {"apiStrict", idl.APIStrict}, {"apiDeprecationErrors", idl.APIDeprecationErrors}} {
				if v := rq.Args.Generic.Get(f.id); v.Type != bsonx.Missing {
					b.Value(f.name, v)
				}
			}
			return nil
		},
	}
}

var (
	testDeprecationCommand           = apiTestCommand("testDeprecation", APIv1|DeprecatedInV1)
	testDeprecationInVersion2Command = apiTestCommand("testDeprecationInVersion2", APIv1|APIv2|DeprecatedInV2)
	testRemovalCommand               = apiTestCommand("testRemoval", APIv1)
	testVersion2Command              = apiTestCommand("testVersion2", APIv2)
	testVersions1And2Command         = apiTestCommand("testVersions1And2", APIv1|APIv2)
)
