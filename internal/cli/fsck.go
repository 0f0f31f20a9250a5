package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) fsck() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "fsck", Short: "Check every invariant of a data directory (the server must not run)", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return errors.New("fsck is not wired in yet") },
	}
	cmd.Flags().StringVar(&dir, "dir", "./argon-data", "data directory")
	return cmd
}
