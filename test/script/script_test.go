// Package script tests the command line: each file of testdata is a session of
// commands against a server of its own.
package script

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/cli"
	"github.com/argon-db/argon/internal/daemon"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"argon": func() {
			os.Exit(cli.Main(context.Background(), os.Args[1:], cli.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
		},
	})
}

// TestScripts runs the sessions; the server of those whose names begin with "auth"
// has access control. Beside testscript's own there are:
//
//	run DB COMMAND         runs a database command in Extended JSON; its reply is stdout
//	exits STATUS argon …   runs argon, which must end with that status
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata",
		Setup: func(e *testscript.Env) error {
			s, err := daemon.Start(daemon.Options{Dir: e.WorkDir + "/.server", Listen: "127.0.0.1:0", LogTo: discard{}, DrainTimeout: 5 * time.Second,
				Access: daemon.Access{Auth: strings.HasPrefix(filepath.Base(e.WorkDir), "script-auth")}})
			if err != nil {
				return err
			}
			e.Defer(func() { _ = s.Close() })
			e.Setenv("ARGON_URI", s.URI())
			e.Setenv("HOST", s.Addr())
			e.Setenv("NO_COLOR", "1")
			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){"run": runCommand, "exits": exits},
	})
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

func runCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: run DB COMMAND")
	}
	var cmd bson.D
	ts.Check(bson.UnmarshalExtJSON([]byte(args[1]), false, &cmd))
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	c, err := mongo.Connect(options.Client().ApplyURI(ts.Getenv("ARGON_URI")).SetAppName("script"))
	ts.Check(err)
	defer func() { _ = c.Disconnect(ctx) }()
	reply, err := c.Database(args[0]).RunCommand(ctx, cmd).Raw()
	if neg != (err != nil) {
		ts.Fatalf("%s: %v", args[1], err)
	}
	ts.Logf("%s", reply)
}

func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits STATUS COMMAND …")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	var ee *exec.ExitError
	if errors.As(err, &ee) {
		got = ee.ExitCode()
	} else if err != nil {
		ts.Fatalf("%v", err)
	}
	if got != want {
		ts.Fatalf("status %d instead of %d", got, want)
	}
}
