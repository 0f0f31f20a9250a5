package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func (a *app) project() *cobra.Command {
	cmd := &cobra.Command{Use: "project", Short: "List, create, show and delete projects", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.projectList(), a.projectCreate(), a.projectShow(), a.projectDelete())
	return cmd
}

func (a *app) projectList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the projects", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			l := a.list(field("project", "name"), field("default branch", "defaultBranch"), field("branches", "branches"),
				field("created", "createdAt"), field("retention", "retention"))
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				if err := runCursor(ctx, c, "admin", bson.D{{Key: "listProjects", Value: 1}}, l.add); err != nil {
					return err
				}
				return l.print()
			})
		},
	}
}

func (a *app) projectCreate() *cobra.Command {
	return &cobra.Command{
		Use: "create NAME", Short: "Create a project (a first write does so too)", Args: exactly(1, "the project's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.printReply(cmd, args[0], bson.D{{Key: "createProject", Value: 1}}, "project")
		},
	}
}

func (a *app) projectShow() *cobra.Command {
	return &cobra.Command{
		Use: "show NAME", Short: "Show a project, its history and size", Args: exactly(1, "the project's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.printReply(cmd, "admin", bson.D{{Key: "listProjects", Value: 1}, {Key: "filter", Value: bson.D{{Key: "name", Value: args[0]}}}}, "cursor", "firstBatch", "0")
		},
	}
}

func (a *app) projectDelete() *cobra.Command {
	return &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a project with all of its branches and history", Args: exactly(1, "the project's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.confirm("Delete project " + args[0] + " with all of its branches and history? This cannot be undone."); err != nil {
				return err
			}
			return a.printReply(cmd, args[0], bson.D{{Key: "dropProject", Value: 1}})
		},
	}
}

// printReply runs a command and prints the part of its reply at path.
func (a *app) printReply(cmd *cobra.Command, db string, command bson.D, path ...string) error {
	return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
		var reply bson.Raw
		if err := run(ctx, c, db, command, &reply); err != nil {
			return err
		}
		if len(path) > 0 {
			v, err := reply.LookupErr(path...)
			if err != nil {
				return fmt.Errorf("%s has no such project; see `argon project list`", redact(a.uri))
			}
			reply = v.Document()
		}
		return a.document(reply)
	})
}
