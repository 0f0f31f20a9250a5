package cli

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func (a *app) restore() *cobra.Command {
	cmd := &cobra.Command{Use: "restore", Short: "Put a branch back to an earlier point, or to another branch's state", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.restorePreview("preview"), a.restoreApply())
	return cmd
}

// restorePreviewAlias keeps the older tool's name of `restore preview`.
func (a *app) restorePreviewAlias() *cobra.Command {
	cmd := a.restorePreview("restore-preview")
	cmd.Hidden = true
	return cmd
}

type restoreFlags struct {
	target
	source, backup, collection string
}

func (r *restoreFlags) add(cmd *cobra.Command) {
	r.branchFlag(cmd)
	r.pointFlags(cmd)
	cmd.Flags().StringVar(&r.collection, "collection", "", "restore this collection alone")
	cmd.Flags().StringVar(&r.source, "source", "", "restore to this branch's state instead")
}

func (r *restoreFlags) command(cmd *cobra.Command, dryRun bool) (bson.D, error) {
	if r.project == "" {
		return nil, usage("name the project with -p")
	}
	point, err := r.point(cmd)
	if err != nil {
		return nil, err
	}
	command := bson.D{{Key: "restoreBranch", Value: r.name()}}
	switch {
	case r.source != "":
		command = append(command, bson.E{Key: "source", Value: r.source})
		if point != nil {
			command = append(command, bson.E{Key: "at", Value: point})
		}
	case point != nil:
		command = append(command, bson.E{Key: "to", Value: point})
	default:
		return nil, usage("say to which point: --lsn, --time, --at, or --source")
	}
	if r.collection != "" {
		command = append(command, bson.E{Key: "collection", Value: r.collection})
	}
	if r.backup != "" {
		command = append(command, bson.E{Key: "backup", Value: r.backup})
	}
	if dryRun {
		command = append(command, bson.E{Key: "dryRun", Value: true})
	}
	return command, nil
}

func (a *app) restorePreview(name string) *cobra.Command {
	var r restoreFlags
	cmd := &cobra.Command{
		Use: name, Short: "Show what a restore would change", Args: exactly(0, "no arguments"),
		Example: "  argon restore preview -p shop -b main --lsn 1600",
		RunE: func(cmd *cobra.Command, _ []string) error {
			command, err := r.command(cmd, true)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				var reply bson.Raw
				if err := run(ctx, c, r.project, command, &reply); err != nil {
					return err
				}
				return a.preview(reply.Lookup("preview").Document())
			})
		},
	}
	r.add(cmd)
	return cmd
}

// preview prints what a restore changes, a line a collection.
func (a *app) preview(p bson.Raw) error {
	if a.output != "table" {
		return a.document(p)
	}
	fmt.Fprintf(a.Out, "from LSN %s to LSN %s, %s commits\n", cell(p.Lookup("fromLsn")), cell(p.Lookup("toLsn")), cell(p.Lookup("commits")))
	l := a.list(field("collection", "name"), field("inserts", "inserts"), field("updates", "updates"), field("deletes", "deletes"))
	values, err := p.Lookup("collections").Array().Values()
	if err != nil {
		return err
	}
	for _, v := range values {
		if err := l.add(v.Document()); err != nil {
			return err
		}
	}
	if len(values) == 0 {
		fmt.Fprintln(a.Out, "no document differs")
	} else if err := l.print(); err != nil {
		return err
	}
	if ddl, ok := p.Lookup("ddl").ArrayOK(); ok {
		items, err := ddl.Values()
		if err != nil {
			return err
		}
		for _, item := range items {
			fmt.Fprintln(a.Out, "ddl: "+cell(item))
		}
	}
	return nil
}

func (a *app) restoreApply() *cobra.Command {
	var r restoreFlags
	cmd := &cobra.Command{
		Use: "apply", Short: "Restore a branch in place; its state before is kept as a backup branch", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			dry, err := r.command(cmd, true)
			if err != nil {
				return err
			}
			command, err := r.command(cmd, false)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				if !a.yes {
					var reply bson.Raw
					if err := run(ctx, c, r.project, dry, &reply); err != nil {
						return err
					}
					if a.output == "table" {
						if err := a.preview(reply.Lookup("preview").Document()); err != nil {
							return err
						}
					}
					if err := a.confirm("Restore branch " + r.name() + " of " + r.project + "?"); err != nil {
						return err
					}
				}
				var reply bson.Raw
				if err := run(ctx, c, r.project, command, &reply); err != nil {
					return err
				}
				if a.output != "table" {
					return a.document(reply)
				}
				fmt.Fprintf(a.Out, "restored %s; its state before is branch %s\n", r.name(), backupName(reply))
				return nil
			})
		},
	}
	r.add(cmd)
	cmd.Flags().StringVar(&r.backup, "backup", "", "name of the backup branch")
	return cmd
}

func backupName(reply bson.Raw) string {
	v := reply.Lookup("backup")
	if d, ok := v.DocumentOK(); ok {
		return cell(d.Lookup("name"))
	}
	return cell(v)
}
