package cli

import (
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func (a *app) retention() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "retention [WINDOW]", Short: "Show or set how far back a project's history is kept: 7d, 12h, forever",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.project == "" {
				return usage("name the project with -p")
			}
			if len(args) == 0 {
				return a.printReply(cmd, t.project, bson.D{{Key: "getRetention", Value: 1}})
			}
			v, err := window(args[0])
			if err != nil {
				return err
			}
			return a.printReply(cmd, t.project, bson.D{{Key: "setRetention", Value: v}})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

// window reads a length of time: "forever", or seconds, or Go's form with d and w.
func window(s string) (any, error) {
	if s == "forever" {
		return s, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return n, nil
	}
	for unit, hours := range map[string]int64{"d": 24, "w": 24 * 7} {
		if n, err := strconv.ParseInt(strings.TrimSuffix(s, unit), 10, 32); err == nil && strings.HasSuffix(s, unit) {
			return n * hours * 3600, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < time.Second {
		return nil, usage("%q is no window: write it as 7d, 12h, a number of seconds, or forever", s)
	}
	return int64(d / time.Second), nil
}

func (a *app) gc() *cobra.Command {
	var t target
	var dry, compact bool
	cmd := &cobra.Command{
		Use: "gc", Short: "Remove what no point of the window, tag or branch can see; without -p of all projects", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			db := t.project
			if db == "" {
				db = "admin"
			}
			return a.printReply(cmd, db, bson.D{{Key: "runGC", Value: 1}, {Key: "dryRun", Value: dry}, {Key: "compact", Value: compact}})
		},
	}
	t.projectFlag(cmd)
	cmd.Flags().BoolVarP(&dry, "dry-run", "n", false, "count only")
	cmd.Flags().BoolVar(&compact, "compact", false, "rewrite the store's files, so that the space comes back at once")
	return cmd
}
