package cli

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func (a *app) branch() *cobra.Command {
	cmd := &cobra.Command{Use: "branch", Short: "List, create, show, rename, update and delete branches", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.branchList(), a.branchCreate(), a.branchShow(), a.branchRename(), a.branchUpdate(), a.branchDelete())
	return cmd
}

var branchColumns = []column{
	field("branch", "name"), field("parent", "parent"), field("fork lsn", "forkLsn"), field("head lsn", "headLsn"),
	field("changes", "ownChanges"), {"size", func(d bson.Raw) string {
		n, ok := d.Lookup("ownBytes").AsInt64OK()
		if !ok {
			return ""
		}
		return size(n)
	}},
	field("protected", "protected"), field("created", "createdAt"), field("expires", "expiresAt"), field("note", "note"),
}

func (a *app) branchList() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the branches of a project", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			l := a.list(branchColumns...)
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				if err := runCursor(ctx, c, db, bson.D{{Key: "listBranches", Value: 1}}, l.add); err != nil {
					return err
				}
				return l.print()
			})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

func (a *app) branchShow() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "show NAME", Short: "Show one branch", Args: exactly(1, "the branch's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				var found bson.Raw
				err := runCursor(ctx, c, db, bson.D{{Key: "listBranches", Value: 1}, {Key: "filter", Value: bson.D{{Key: "name", Value: args[0]}}}},
					func(d bson.Raw) error { found = append(found, d...); return nil })
				if err != nil {
					return err
				}
				if found == nil {
					return fmt.Errorf("project %s has no branch %q; see `argon branch list -p %s`", t.project, args[0], t.project)
				}
				return a.document(found)
			})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

func (a *app) branchCreate() *cobra.Command {
	var t target
	var n newBranch
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a branch: instant, whatever the size", Args: exactly(1, "the branch's name"),
		Long: "Create a branch. It is instant, whatever the size, unless its data is masked: then the\ndocuments are copied, and the branch shares no history with its parent.",
		Example: "  argon branch create dev -p shop\n  argon branch create audit -p shop --from main --at -2h --ttl 24h\n" +
			"  argon branch create test -p shop --mask users.email=fake --mask users.card=redact --mask '*.password=null'",
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			point, err := t.point(cmd)
			if err != nil {
				return err
			}
			command, err := n.command(args[0], point)
			if err != nil {
				return err
			}
			return a.printReply(cmd, db, command, "branch")
		},
	}
	t.projectFlag(cmd)
	t.pointFlags(cmd)
	n.flags(cmd, 0)
	cmd.Flags().BoolVar(&n.protected, "protected", false, "refuse to drop or restore it")
	cmd.Flags().BoolVar(&n.ifNotExists, "if-not-exists", false, "a branch that is there already is no error")
	return cmd
}

func (a *app) branchRename() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "rename NAME NEW", Short: "Rename a branch", Args: exactly(2, "the old and the new name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			return a.printReply(cmd, db, bson.D{{Key: "renameBranch", Value: args[0]}, {Key: "to", Value: args[1]}}, "branch")
		},
	}
	t.projectFlag(cmd)
	return cmd
}

func (a *app) branchUpdate() *cobra.Command {
	var t target
	var protected, makeDefault, noTTL bool
	var ttl time.Duration
	var note string
	cmd := &cobra.Command{
		Use: "update NAME", Short: "Change a branch's protection, lifetime, note, or make it the default", Args: exactly(1, "the branch's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			command := bson.D{{Key: "updateBranch", Value: args[0]}}
			set := func(flag, key string, v any) {
				if cmd.Flags().Changed(flag) {
					command = append(command, bson.E{Key: key, Value: v})
				}
			}
			set("protected", "protected", protected)
			set("ttl", "ttlSeconds", int64(ttl.Seconds()))
			set("no-ttl", "ttlSeconds", nil)
			set("default", "default", makeDefault)
			set("note", "note", note)
			if len(command) == 1 {
				return usage("nothing to change; see `argon branch update --help`")
			}
			return a.printReply(cmd, db, command, "branch")
		},
	}
	t.projectFlag(cmd)
	cmd.Flags().BoolVar(&protected, "protected", false, "protect the branch (or --protected=false)")
	cmd.Flags().BoolVar(&makeDefault, "default", false, "make it the project's default branch")
	cmd.Flags().DurationVar(&ttl, "ttl", 0, "delete the branch after this time")
	cmd.Flags().BoolVar(&noTTL, "no-ttl", false, "let the branch live")
	cmd.Flags().StringVar(&note, "note", "", "what the branch is for")
	cmd.MarkFlagsMutuallyExclusive("ttl", "no-ttl")
	return cmd
}

func (a *app) branchDelete() *cobra.Command {
	var t target
	var force bool
	cmd := &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a branch", Args: exactly(1, "the branch's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			what := "Delete branch " + args[0]
			if force {
				what += " and the branches made from it"
			}
			if err := a.confirm(what + "?"); err != nil {
				return err
			}
			return a.printReply(cmd, db, bson.D{{Key: "dropBranch", Value: args[0]}, {Key: "force", Value: force}})
		},
	}
	t.projectFlag(cmd)
	cmd.Flags().BoolVar(&force, "force", false, "delete the branches made from it too")
	return cmd
}
