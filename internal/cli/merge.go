package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// mergeFlags are what merge, revert and apply have in common.
type mergeFlags struct {
	target
	strategy, resolutions, comment string
	dryRun                         bool
}

func (m *mergeFlags) add(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&m.strategy, "strategy", "X", "", "settle conflicting fields: abort, source or target")
	f.StringVar(&m.resolutions, "resolutions", "", "file with a JSON list of {collection, _id, take | document}")
	f.StringVarP(&m.comment, "message", "m", "", "comment of the commit")
	f.BoolVarP(&m.dryRun, "dry-run", "n", false, "show the plan only")
}

func (m *mergeFlags) command(cmd bson.D) (bson.D, error) {
	if m.project == "" {
		return nil, usage("name the project with -p")
	}
	if m.strategy != "" {
		cmd = append(cmd, bson.E{Key: "strategy", Value: m.strategy})
	}
	if m.resolutions != "" {
		data, err := os.ReadFile(m.resolutions)
		if err != nil {
			return nil, usage("--resolutions: %v", err)
		}
		var d struct {
			List bson.A `bson:"list"`
		}
		if err := bson.UnmarshalExtJSON([]byte(`{"list":`+string(data)+`}`), false, &d); err != nil {
			return nil, usage("--resolutions %s: %v", m.resolutions, err)
		}
		cmd = append(cmd, bson.E{Key: "resolutions", Value: d.List})
	}
	if m.comment != "" {
		cmd = append(cmd, bson.E{Key: "comment", Value: m.comment})
	}
	if m.dryRun {
		cmd = append(cmd, bson.E{Key: "dryRun", Value: true})
	}
	return cmd, nil
}

// perform runs a merge, revert or patch and shows its plan. What is in conflict
// is exit status 3.
func (a *app) perform(ctx context.Context, project string, command bson.D, done string) error {
	return a.with(ctx, func(ctx context.Context, c *mongo.Client) error {
		var reply bson.Raw
		if err := run(ctx, c, project, command, &reply); err != nil {
			return err
		}
		if a.output != "table" {
			if err := a.document(reply); err != nil {
				return err
			}
		} else {
			a.plan(reply, done)
		}
		return a.conflicts(reply, func() error { return nil })
	})
}

// conflicts is the error for a plan in conflict; show is called before it.
func (a *app) conflicts(reply bson.Raw, show func() error) error {
	n, _ := reply.Lookup("plan", "conflictCount").AsInt64OK()
	if n == 0 {
		return nil
	}
	if err := show(); err != nil {
		return err
	}
	return fmt.Errorf("%w: %d in all; nothing was written. Settle them with --strategy or --resolutions", errConflict, n)
}

// plan prints a plan for a person.
func (a *app) plan(reply bson.Raw, done string) {
	p := reply.Lookup("plan").Document()
	paint := a.painter(a.Out)
	each := func(key string, f func(d bson.Raw)) {
		if list, ok := p.Lookup(key).ArrayOK(); ok {
			values, _ := list.Values()
			for _, v := range values {
				f(v.Document())
			}
		}
	}
	each("ddl", func(d bson.Raw) {
		paint.line(text.FgMagenta, "ddl %s %s%s", cell(d.Lookup("op")), cell(d.Lookup("collection")), ddlDetail(d))
	})
	each("collections", func(d bson.Raw) {
		fmt.Fprintf(a.Out, "%s: %s inserted, %s updated, %s deleted\n", cell(d.Lookup("name")), cell(d.Lookup("inserts")), cell(d.Lookup("updates")), cell(d.Lookup("deletes")))
	})
	each("conflicts", func(d bson.Raw) {
		what := cell(d.Lookup("ddl"))
		if what == "" {
			what = "document " + cell(d.Lookup("_id"))
		}
		paint.line(text.FgRed, "conflict in %s: %s %s", cell(d.Lookup("collection")), what, strings.Join(texts(d.Lookup("paths")), ", "))
		for _, side := range []string{"base", "source", "target"} {
			v := d.Lookup(side)
			s := "(none)"
			if v.Type == bson.TypeEmbeddedDocument {
				s = literal(v)
			}
			fmt.Fprintf(a.Out, "    %-7s %s\n", side, s)
		}
	})
	switch lsn := cell(reply.Lookup("mergedLsn")); {
	case reply.Lookup("upToDate").Type != 0:
		fmt.Fprintln(a.Out, "nothing to do: already up to date")
	case lsn != "":
		fmt.Fprintf(a.Out, "%s in commit %s\n", done, lsn)
	default:
		if tok := cell(reply.Lookup("planToken")); tok != "" && cell(p.Lookup("conflictCount")) == "0" {
			fmt.Fprintf(a.Out, "to apply this very plan: --plan %s\n", tok)
		}
	}
}

func texts(v bson.RawValue) []string {
	list, ok := v.ArrayOK()
	if !ok {
		return nil
	}
	values, _ := list.Values()
	var out []string
	for _, x := range values {
		out = append(out, cell(x))
	}
	return out
}

func (a *app) merge() *cobra.Command {
	var m mergeFlags
	var into, plan string
	var commits []int64
	var squash bool
	cmd := &cobra.Command{
		Use: "merge BRANCH", Short: "Merge a branch into its parent or another branch; status 3 when it conflicts",
		Example: "  argon merge dev -p shop --dry-run\n  argon merge dev -p shop --into main -X source\n  argon merge dev -p shop --commit 1601 --commit 1605    cherry-pick",
		Args:    exactly(1, "the branch to merge"),
		RunE: func(cmd *cobra.Command, args []string) error {
			command := bson.D{{Key: "mergeBranch", Value: args[0]}}
			if into != "" {
				command = append(command, bson.E{Key: "into", Value: into})
			}
			if squash {
				command = append(command, bson.E{Key: "squash", Value: true})
			}
			if plan != "" {
				command = append(command, bson.E{Key: "planToken", Value: plan})
			}
			if len(commits) > 0 {
				command = append(command, bson.E{Key: "commits", Value: commits})
			}
			command, err := m.command(command)
			if err != nil {
				return err
			}
			return a.perform(cmd.Context(), m.project, command, "merged "+args[0])
		},
	}
	m.projectFlag(cmd)
	m.add(cmd)
	cmd.Flags().StringVar(&into, "into", "", "the branch that is merged into (default: the parent)")
	cmd.Flags().BoolVar(&squash, "squash", false, "do not record the merge: the next one begins at the same base")
	cmd.Flags().StringVar(&plan, "plan", "", "apply a plan that --dry-run has shown, if the target has not moved")
	cmd.Flags().Int64SliceVar(&commits, "commit", nil, "bring this commit alone (may be repeated)")
	return cmd
}

func (a *app) revert() *cobra.Command {
	var m mergeFlags
	var from, to, actor, id, collection string
	cmd := &cobra.Command{
		Use: "revert [LSN]", Short: "Undo commits in a new commit; status 3 when later changes conflict",
		Example: "  argon revert 1600 -p shop\n  argon revert -p shop --from 1600 --to 1610\n  argon revert -p shop --actor etl --from -1h",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) == 1 {
				if from != "" || to != "" {
					return usage("name one commit, or a range with --from and --to")
				}
				from, to = args[0], args[0]
			}
			command := bson.D{{Key: "revertCommits", Value: m.name()}}
			for _, f := range []struct{ key, value string }{{"from", from}, {"to", to}, {"actor", actor}, {"collection", collection}} {
				if f.value != "" {
					command = append(command, bson.E{Key: f.key, Value: f.value})
				}
			}
			if id != "" {
				v, err := parseID(id)
				if err != nil {
					return err
				}
				command = append(command, bson.E{Key: "docId", Value: v})
			}
			command, err := m.command(command)
			if err != nil {
				return err
			}
			return a.perform(cmd.Context(), m.project, command, "reverted")
		},
	}
	m.branchFlag(cmd)
	m.add(cmd)
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "the first commit (LSN, time or age)")
	f.StringVar(&to, "to", "", "the last commit (default: the newest)")
	f.StringVar(&actor, "actor", "", "what this user or application did")
	f.StringVar(&id, "id", "", "changes of the document with this _id")
	f.StringVar(&collection, "collection", "", "changes of this collection")
	return cmd
}

func (a *app) reset() *cobra.Command {
	var t target
	var backup string
	cmd := &cobra.Command{
		Use: "reset BRANCH", Short: "Reset a branch to its parent's head; its state before is kept as a backup branch", Args: exactly(1, "the branch's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.project == "" {
				return usage("name the project with -p")
			}
			command := bson.D{{Key: "resetBranch", Value: args[0]}}
			if backup != "" {
				command = append(command, bson.E{Key: "backup", Value: backup})
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				var reply bson.Raw
				if !a.yes {
					dry := append(command[:len(command):len(command)], bson.E{Key: "dryRun", Value: true})
					if err := run(ctx, c, t.project, dry, &reply); err != nil {
						return err
					}
					if err := a.preview(reply.Lookup("preview").Document()); err != nil {
						return err
					}
					if err := a.confirm("Reset branch " + args[0] + " of " + t.project + "?"); err != nil {
						return err
					}
				}
				if err := run(ctx, c, t.project, command, &reply); err != nil {
					return err
				}
				if a.output != "table" {
					return a.document(reply)
				}
				fmt.Fprintf(a.Out, "reset %s; its state before is branch %s\n", args[0], backupName(reply))
				return nil
			})
		},
	}
	t.projectFlag(cmd)
	cmd.Flags().StringVar(&backup, "backup", "", "name of the backup branch")
	return cmd
}
