package cli

import (
	"context"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func (a *app) tag() *cobra.Command {
	cmd := &cobra.Command{Use: "tag", Aliases: []string{"pin"}, Short: "List, create and delete tags: named points that are kept", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.tagList(), a.tagCreate(), a.tagDelete())
	return cmd
}

func (a *app) tagList() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the tags of a project", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			l := a.list(field("tag", "name"), field("branch", "branch"), field("lsn", "lsn"), field("time", "time"), field("note", "note"))
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				if err := runCursor(ctx, c, db, bson.D{{Key: "listTags", Value: 1}}, l.add); err != nil {
					return err
				}
				return l.print()
			})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

func (a *app) tagCreate() *cobra.Command {
	var t target
	var note string
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Tag a point of a branch (its head, unless told)", Args: exactly(1, "the tag's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.project == "" {
				return usage("name the project with -p")
			}
			point, err := t.point(cmd)
			if err != nil {
				return err
			}
			command := bson.D{{Key: "createTag", Value: args[0]}}
			if t.branch != "" {
				command = append(command, bson.E{Key: "branch", Value: t.branch})
			}
			if point != nil {
				command = append(command, bson.E{Key: "at", Value: point})
			}
			if note != "" {
				command = append(command, bson.E{Key: "note", Value: note})
			}
			return a.printReply(cmd, t.project, command, "tag")
		},
	}
	t.branchFlag(cmd)
	t.pointFlags(cmd)
	cmd.Flags().StringVar(&note, "note", "", "what the tag is for")
	return cmd
}

func (a *app) tagDelete() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a tag; its point may then be collected", Args: exactly(1, "the tag's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			if err := a.confirm("Delete tag " + args[0] + "?"); err != nil {
				return err
			}
			return a.printReply(cmd, db, bson.D{{Key: "dropTag", Value: args[0]}})
		},
	}
	t.projectFlag(cmd)
	return cmd
}
