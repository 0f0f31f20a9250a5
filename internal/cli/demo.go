package cli

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/internal/daemon"
)

func (a *app) demo() *cobra.Command {
	var o daemon.Options
	var once bool
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Load a small data set, branch it, show the past, and leave a server running",
		Long: "Start a server, load real data (films), make a branch, change it, show the past, and\n" +
			"leave the server running with lines to paste next. It begins anew each time.",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.LogTo, o.Args, o.LogLevel = a.Err, os.Args, slog.LevelWarn
			s, err := daemon.Start(o)
			if err != nil {
				return err
			}
			a.uri = s.URI()
			err = a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				return tour(ctx, c, s.URI(), a.Out)
			})
			if err != nil || once {
				if e := s.Close(); err == nil {
					err = e
				}
				return err
			}
			_, _ = fmt.Fprintln(a.Out, "Stop it with Ctrl-C.")
			return s.Wait(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "./argon-data", "directory of the data")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:27017", "address for MongoDB's wire protocol")
	f.StringVar(&o.HTTP, "http", "127.0.0.1:27080", "address for HTTP; empty for none")
	f.BoolVar(&once, "once", false, "end after the tour")
	return cmd
}
