package command

import (
	"context"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/version"
)

// nameOnly are the arguments of a command that takes none but its name.
func nameOnly(name string) *idl.Spec {
	return idl.Command(name, idl.Field{Name: name, Types: idl.Any})
}

var buildInfoCommand = &Spec{
	Name: "buildInfo", Aliases: []string{"buildinfo"}, Args: nameOnly("buildInfo"), Flags: APIv1, Privilege: forAnyone(),
	Help: "the version and how it was built", Run: runBuildInfo,
}

func runBuildInfo(_ context.Context, _ *Request, b *bsonx.Builder) error {
	b.String("version", version.MongoDB)
	b.String("gitVersion", version.Commit())
	b.String("argonVersion", version.Argon)
	b.Close(b.OpenArray("modules"))
	b.String("allocator", "go")
	b.String("javascriptEngine", "none")
	b.String("sysInfo", "deprecated")
	at := b.OpenArray("versionArray")
	for i, part := range append(strings.SplitN(version.MongoDB, ".", 3), "0") {
		n, _ := strconv.Atoi(part)
		b.Int32(bsonx.Index(i), int32(n))
	}
	b.Close(at)
	at = b.OpenDoc("openssl")
	b.String("running", "disabled")
	b.String("compiled", "disabled")
	b.Close(at)
	at = b.OpenDoc("buildEnvironment")
	b.String("cc", runtime.Version())
	b.String("distarch", runtime.GOARCH)
	b.String("target_arch", runtime.GOARCH)
	b.String("target_os", runtime.GOOS)
	b.Close(at)
	b.Int32("bits", 64)
	b.Bool("debug", false)
	b.Int32("maxBsonObjectSize", bsonx.MaxDocSize)
	at = b.OpenArray("storageEngines")
	b.String("0", "argon")
	b.Close(at)
	return nil
}

var whatsMyURICommand = &Spec{
	Name: "whatsmyuri", Args: nameOnly("whatsmyuri"), Privilege: forAnyone(), Help: "the client's own address",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		b.String("you", rq.Conn.Info.Remote)
		return nil
	},
}

var isDBGridCommand = &Spec{
	Name: "isdbgrid", Args: nameOnly("isdbgrid"), Privilege: forAnyone(), Help: "says that this is a router",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		b.Int32("isdbgrid", 1)
		b.String("hostname", rq.Services.Host.Hostname)
		return nil
	},
}

var featuresCommand = &Spec{
	Name: "features", Args: nameOnly("features").Lenient(), Privilege: forAnyone(), Help: "features of the build",
	Run: func(_ context.Context, _ *Request, b *bsonx.Builder) error {
		at := b.OpenDoc("oidMachine")
		b.Close(at)
		return nil
	},
}

var getCmdLineOptsCommand = &Spec{
	Name: "getCmdLineOpts", Args: nameOnly("getCmdLineOpts"), Flags: AdminOnly, Privilege: onCluster(auth.GetCmdLineOpts), Help: "the command line the server was started with",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		h := &rq.Services.Host
		at := b.OpenArray("argv")
		for i, a := range h.Args {
			b.String(bsonx.Index(i), a)
		}
		if len(h.Args) == 0 {
			b.String("0", "argon")
		}
		b.Close(at)
		at = b.OpenDoc("parsed")
		net := b.OpenDoc("net")
		b.String("bindIp", h.Listen)
		b.Close(net)
		storage := b.OpenDoc("storage")
		b.String("dbPath", h.Dir)
		b.Close(storage)
		if len(h.Parameters) > 0 {
			set := b.OpenDoc("setParameter")
			for _, name := range slices.Sorted(maps.Keys(h.Parameters)) {
				b.String(name, h.Parameters[name])
			}
			b.Close(set)
		}
		b.Close(at)
		return nil
	},
}

var listCommandsCommand = &Spec{
	Name: "listCommands", Args: nameOnly("listCommands").Lenient(), Privilege: forAnyone(), Help: "the commands that there are",
	Run: func(_ context.Context, rq *Request, b *bsonx.Builder) error {
		at := b.OpenDoc("commands")
		for _, c := range rq.dispatcher.specs {
			describe(b, c)
		}
		b.Close(at)
		return nil
	},
}

func describe(b *bsonx.Builder, c *Spec) {
	at := b.OpenDoc(c.Name)
	b.String("help", c.Help)
	b.Bool("requiresAuth", !c.Privilege.Open())
	b.Bool("secondaryOk", c.Flags&(Write|DDL) == 0)
	b.Bool("adminOnly", c.Flags&AdminOnly != 0)
	versions := b.OpenArray("apiVersions")
	if c.Flags&APIv1 != 0 {
		b.String("0", "1")
	}
	b.Close(versions)
	b.Close(b.OpenArray("deprecatedApiVersions"))
	if len(c.Aliases) > 0 {
		list := b.OpenArray("aliases")
		for i, a := range c.Aliases {
			b.String(bsonx.Index(i), a)
		}
		b.Close(list)
	}
	b.Close(at)
}
