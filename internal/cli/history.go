package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func (a *app) log() *cobra.Command {
	var t target
	var since, until, collection, actor, id string
	var limit int64
	var oldest, patch, stat bool
	cmd := &cobra.Command{
		Use: "log", Short: "Show the commits of a branch, newest first", Args: exactly(0, "no arguments"),
		Example: "  argon log -p shop -b dev --limit 20\n  argon log -p shop --since -1h --collection orders --actor alice",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if t.project == "" {
				return usage("name the project with -p")
			}
			command := bson.D{{Key: "branchLog", Value: t.name()}, {Key: "reverse", Value: oldest}}
			for _, f := range []struct{ key, value string }{{"since", since}, {"until", until}, {"collection", collection}, {"actor", actor}} {
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
			if limit > 0 {
				command = append(command, bson.E{Key: "limit", Value: limit})
			}
			l := a.list(field("lsn", "lsn"), field("time", "time"), column{"actor", actorOf}, column{"changes", changesOf}, field("comment", "comment"))
			if (patch || stat) && a.output == "table" {
				return a.paged(func() error { return a.logPatches(cmd, &t, command, patch) })
			}
			return a.paged(func() error {
				return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
					if err := runCursor(ctx, c, t.project, command, l.add); err != nil {
						return err
					}
					return l.print()
				})
			})
		},
	}
	t.branchFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&since, "since", "", "from this point on")
	f.StringVar(&until, "until", "", "up to this point")
	f.StringVar(&collection, "collection", "", "commits that change this collection")
	f.StringVar(&actor, "actor", "", "commits by this user or application")
	f.StringVar(&id, "id", "", "commits that change the document with this _id (Extended JSON, or a plain string)")
	f.Int64VarP(&limit, "limit", "n", 0, "at most so many commits")
	f.BoolVarP(&patch, "patch", "P", false, "with what each commit changed")
	f.BoolVar(&stat, "stat", false, "with counts by collection")
	f.BoolVar(&oldest, "oldest-first", false, "oldest first")
	return cmd
}

// actorOf names who made a commit: the user, else the application, else the address.
func actorOf(d bson.Raw) string {
	for _, key := range []string{"user", "appName", "client"} {
		if s, ok := d.Lookup("actor", key).StringValueOK(); ok && s != "" {
			return s
		}
	}
	return ""
}

// changesOf counts a commit's operations by collection: "orders +3 ~1 -2".
func changesOf(d bson.Raw) string {
	ops, ok := d.Lookup("ops").ArrayOK()
	if !ok {
		return ""
	}
	values, err := ops.Values()
	if err != nil {
		return ""
	}
	counts := map[string]map[string]int{}
	var order []string
	for _, v := range values {
		ns, _ := v.Document().Lookup("ns").StringValueOK()
		if _, coll, ok := strings.Cut(ns, "."); ok {
			ns = coll
		}
		op, _ := v.Document().Lookup("op").StringValueOK()
		if op == "replace" {
			op = "update"
		}
		if counts[ns] == nil {
			counts[ns] = map[string]int{}
			order = append(order, ns)
		}
		counts[ns][op]++
	}
	var out []string
	for _, ns := range order {
		s := ns
		for _, k := range []struct{ op, sign string }{{"insert", "+"}, {"update", "~"}, {"delete", "-"}} {
			if n := counts[ns][k.op]; n > 0 {
				s += fmt.Sprintf(" %s%d", k.sign, n)
			}
			delete(counts[ns], k.op)
		}
		for _, op := range slices.Sorted(maps.Keys(counts[ns])) {
			s += " " + op
		}
		out = append(out, s)
	}
	return strings.Join(out, ", ")
}

// parseID reads an _id: Extended JSON where it parses, else the text itself.
func parseID(s string) (any, error) {
	var d bson.D
	if err := bson.UnmarshalExtJSON([]byte(`{"v":`+s+`}`), false, &d); err == nil && len(d) == 1 {
		return d[0].Value, nil
	}
	if strings.HasPrefix(s, "{") {
		return nil, usage("--id %s is not Extended JSON", s)
	}
	return s, nil
}

func (a *app) history() *cobra.Command {
	cmd := &cobra.Command{Use: "history", Short: "Show how far the past reaches, and a document's versions", Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.historyInfo("info"), a.historyDoc())
	return cmd
}

// historyAlias keeps the older tool's name of `history info`.
func (a *app) historyAlias() *cobra.Command {
	cmd := a.historyInfo("tt-info")
	cmd.Hidden = true
	return cmd
}

func (a *app) historyInfo(name string) *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: name, Short: "Show the range of LSNs and times that can be read", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if t.project == "" {
				return usage("name the project with -p")
			}
			return a.printReply(cmd, t.project, bson.D{{Key: "historyInfo", Value: t.name()}})
		},
	}
	t.branchFlag(cmd)
	return cmd
}

func (a *app) historyDoc() *cobra.Command {
	var t target
	var since, until string
	cmd := &cobra.Command{
		Use: "doc COLLECTION ID", Short: "Show the versions of one document, newest first", Args: exactly(2, "a collection and an _id"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if t.project == "" {
				return usage("name the project with -p")
			}
			id, err := parseID(args[1])
			if err != nil {
				return err
			}
			command := bson.D{{Key: "docHistory", Value: args[0]}, {Key: "id", Value: id}, {Key: "branch", Value: t.name()}}
			for _, f := range []struct{ key, value string }{{"since", since}, {"until", until}} {
				if f.value != "" {
					command = append(command, bson.E{Key: f.key, Value: f.value})
				}
			}
			l := a.list(field("lsn", "lsn"), field("time", "time"), column{"actor", actorOf}, field("op", "op"), field("document", "document"))
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				if err := runCursor(ctx, c, t.project, command, l.add); err != nil {
					return err
				}
				return l.print()
			})
		},
	}
	t.branchFlag(cmd)
	cmd.Flags().StringVar(&since, "since", "", "from this point on")
	cmd.Flags().StringVar(&until, "until", "", "up to this point")
	return cmd
}
