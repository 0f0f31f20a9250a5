package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) demo() *cobra.Command {
	return &cobra.Command{
		Use: "demo", Short: "Load a small data set, branch it, show the past, and leave a server running", Args: exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error { return errors.New("demo is not wired in yet") },
	}
}
