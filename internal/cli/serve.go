package cli

import (
	"errors"

	"github.com/spf13/cobra"
)

func (a *app) serve() *cobra.Command {
	return &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Args:  exactly(0, "no arguments"),
		RunE:  func(*cobra.Command, []string) error { return errors.New("serve is not wired in yet") },
	}
}
