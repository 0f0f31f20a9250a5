// Package cli is the command line: `serve` runs the server, every other verb is
// a client of a running one and speaks to it over the wire, as any driver does.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Exit statuses.
const (
	exitFailed   = 1
	exitUsage    = 2
	exitConflict = 3
)

const defaultURI = "mongodb://127.0.0.1:27017/"

// errUsage marks wrong use of a command, errConflict a merge or a revert that was
// not applied.
var (
	errUsage    = errors.New("wrong use")
	errConflict = errors.New("conflict")
)

func usage(format string, args ...any) error {
	return fmt.Errorf("%w: %s", errUsage, fmt.Sprintf(format, args...))
}

// app is one run of the command line: its global flags and streams.
type app struct {
	Streams
	uri    string
	output string
	json   bool
	yes    bool
	color  string
	// noPager is a flag; paging says that the output goes to a pager.
	noPager, paging bool
}

// Main runs the command line and returns the process's exit status: 0 done, 1
// failed, 2 wrong use, 3 conflict.
func Main(ctx context.Context, args []string, s Streams) int {
	a := &app{Streams: s}
	root := a.root()
	root.SetArgs(withoutOldPrefix(args))
	root.SetIn(s.In)
	root.SetOut(s.Out)
	root.SetErr(s.Err)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(s.Err, "argon: "+strings.TrimPrefix(a.explain(err), errUsage.Error()+": "))
	switch {
	case errors.Is(err, errUsage):
		return exitUsage
	case errors.Is(err, errConflict):
		return exitConflict
	}
	return exitFailed
}

// withoutOldPrefix takes `argon wal-simple VERB` as `argon VERB`, for scripts
// written against the older tool.
func withoutOldPrefix(args []string) []string {
	if len(args) > 0 && args[0] == "wal-simple" {
		return args[1:]
	}
	return args
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "argon",
		Short:         "Branches and time travel for MongoDB",
		Long:          "Argon is a MongoDB-compatible database server whose branches are instant and whose\nevery past moment can be read. `argon serve` runs it; the other verbs talk to it.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArguments,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(*cobra.Command, []string) error {
			if a.json {
				a.output = "json"
			}
			switch a.output {
			case "table", "json", "yaml":
				return nil
			}
			return usage("--output is table, json or yaml, not %q", a.output)
		},
	}
	uri := os.Getenv("ARGON_URI")
	if uri == "" {
		uri = defaultURI
	}
	f := root.PersistentFlags()
	f.StringVar(&a.uri, "uri", uri, "address of the server, with a user's name and password where it asks for them (ARGON_URI)")
	f.Lookup("uri").DefValue = redact(uri) // which --help shows
	f.StringVarP(&a.output, "output", "o", "table", "output: table, json or yaml")
	f.BoolVar(&a.json, "json", false, "short for -o json")
	f.StringVar(&a.color, "color", "auto", "colours: auto, always or never")
	f.BoolVar(&a.noPager, "no-pager", false, "do not show long output in a pager")
	f.BoolVar(&a.yes, "yes", false, "do not ask before anything destructive")
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	root.AddCommand(
		a.serve(), a.demo(), a.status(), a.project(), a.branch(), a.tag(), a.user(), a.log(), a.history(), a.historyAlias(), a.sandbox(), a.ci(),
		a.query(), a.diff(), a.apply(), a.merge(), a.revert(), a.blame(), a.retention(), a.gc(), a.reset(), a.restore(), a.restorePreviewAlias(), a.connect(), a.fsck(), a.version(), scriptWorker(),
	)
	root.CompletionOptions.HiddenDefaultCmd = false
	return root
}

func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	if names := cmd.SuggestionsFor(args[0]); len(names) > 0 {
		return usage("unknown command %q; did you mean %q?", args[0], names[0])
	}
	return usage("unknown command %q for %q; see `%s --help`", args[0], cmd.CommandPath(), cmd.CommandPath())
}

// exactly is cobra.ExactArgs with the exit status of wrong use.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) != n {
			return usage("%s takes %s; see `%s --help`", cmd.CommandPath(), what, cmd.CommandPath())
		}
		return nil
	}
}
