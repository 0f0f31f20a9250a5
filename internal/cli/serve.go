package cli

import (
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/argon-db/argon/internal/daemon"
)

func (a *app) serve() *cobra.Command {
	var o daemon.Options
	var verbose bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server: MongoDB's wire protocol on --listen, HTTP (health, metrics) on --http,\n" +
			"data in --dir. SIGTERM and SIGINT end it in order: running commands are answered first.",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.LogTo, o.Args = a.Err, os.Args
			if verbose {
				o.LogLevel = slog.LevelDebug
			}
			s, err := daemon.Start(o)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(a.Out, "argon is ready: %s\n", s.URI())
			return s.Wait(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "./argon-data", "directory of the data")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:27017", "address for MongoDB's wire protocol")
	f.StringVar(&o.HTTP, "http", "127.0.0.1:27080", "address for HTTP; empty for none")
	f.IntVar(&o.MaxConnections, "max-connections", 20_000, "how many clients may be connected")
	f.DurationVar(&o.DrainTimeout, "drain-timeout", 15*time.Second, "how long running commands may take to end at a shutdown")
	f.BoolVar(&o.Profile, "pprof", false, "serve Go's profiles under /debug/pprof of the HTTP address")
	f.StringToStringVar(&o.Parameters, "set-parameter", nil, "server parameters as `name=value,…` (see setParameter)")
	f.BoolVarP(&verbose, "verbose", "v", false, "log more")
	return cmd
}
