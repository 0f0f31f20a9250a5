package cli

import (
	"fmt"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/fsck"
)

func (a *app) fsck() *cobra.Command {
	var dir string
	cmd := &cobra.Command{
		Use: "fsck", Short: "Check every invariant of a data directory (the server must not run)", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			rep, err := fsck.Dir(cmd.Context(), dir, fsck.Options{Problem: func(s string) {
				_, _ = fmt.Fprintln(a.Err, "problem: "+s)
			}})
			if err != nil {
				return fmt.Errorf("%s: %w", dir, err)
			}
			doc, err := bson.Marshal(bson.D{
				{Key: "problems", Value: rep.Problems}, {Key: "commits", Value: rep.Commits}, {Key: "keys", Value: rep.Keys},
				{Key: "rows", Value: rep.Rows}, {Key: "entries", Value: rep.Entries}, {Key: "projects", Value: rep.Projects},
				{Key: "points", Value: rep.Points}, {Key: "collections", Value: rep.Collections},
				{Key: "documents", Value: rep.Documents}, {Key: "indexEntries", Value: rep.IndexEntries},
			})
			if err != nil {
				return err
			}
			if err := a.document(doc); err != nil {
				return err
			}
			if rep.Problems > 0 {
				return fmt.Errorf("%s has %d problems", dir, rep.Problems)
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&dir, "dir", "./argon-data", "data directory")
	return cmd
}
