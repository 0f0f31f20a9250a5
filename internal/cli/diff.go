package cli

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// painter writes differences for people, coloured on a terminal unless NO_COLOR
// is set.
type painter struct {
	w     io.Writer
	color bool
	last  string // the collection whose heading was written
}

func (a *app) painter(w io.Writer) *painter {
	return &painter{w: w, color: a.colored()}
}

func (p *painter) line(c text.Color, format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	if p.color {
		s = c.EscapeSeq() + s + text.Reset.EscapeSeq()
	}
	fmt.Fprintln(p.w, s)
}

// show writes one document of diffBranch.
func (p *painter) show(d bson.Raw) {
	coll := cell(d.Lookup("collection"))
	if kind := cell(d.Lookup("kind")); kind == "ddl" {
		p.line(text.FgMagenta, "ddl %s %s%s", cell(d.Lookup("op")), coll, ddlDetail(d))
		return
	}
	if coll != p.last {
		p.line(text.Bold, "collection %s", coll)
		p.last = coll
	}
	id := cell(d.Lookup("_id"))
	switch cell(d.Lookup("kind")) {
	case "insert":
		p.line(text.FgGreen, "+ %s  %s", id, cell(d.Lookup("after")))
	case "delete":
		p.line(text.FgRed, "- %s  %s", id, cell(d.Lookup("before")))
	default:
		p.line(text.FgYellow, "~ %s", id)
		p.changes(d)
	}
}

func ddlDetail(d bson.Raw) string {
	s := ""
	if to := cell(d.Lookup("to")); to != "" {
		s = " to " + to
	}
	if ix, ok := d.Lookup("indexes").ArrayOK(); ok {
		values, _ := ix.Values()
		for _, v := range values {
			s += " " + cell(v)
		}
	}
	return s
}

func (p *painter) changes(d bson.Raw) {
	list, ok := d.Lookup("changes").ArrayOK()
	if !ok {
		return
	}
	values, _ := list.Values()
	for _, v := range values {
		c := v.Document()
		path := cell(c.Lookup("path"))
		if b := c.Lookup("before"); b.Type != 0 {
			p.line(text.FgRed, "    - %s: %s", path, literal(b))
		}
		if b := c.Lookup("after"); b.Type != 0 {
			p.line(text.FgGreen, "    + %s: %s", path, literal(b))
		}
	}
	if len(values) == 0 {
		p.line(text.FgYellow, "    the same fields in another order")
	}
}

// literal renders a value as Extended JSON, strings in quotes.
func literal(v bson.RawValue) string {
	data, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, false, false)
	if err != nil {
		return v.String()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(data), `{"v":`), "}")
}

type diffFlags struct {
	target
	against, base, from, to, collection string
}

func (f *diffFlags) command(summary bool) (bson.D, error) {
	if f.project == "" {
		return nil, usage("name the project with -p")
	}
	cmd := bson.D{{Key: "diffBranch", Value: f.name()}}
	for _, x := range []struct{ key, value string }{{"against", f.against}, {"base", f.base}, {"from", f.from}, {"to", f.to}, {"collection", f.collection}} {
		if x.value != "" {
			cmd = append(cmd, bson.E{Key: x.key, Value: x.value})
		}
	}
	if summary {
		cmd = append(cmd, bson.E{Key: "summary", Value: true})
	}
	return cmd, nil
}

func (a *app) diff() *cobra.Command {
	var f diffFlags
	var stat, patch bool
	cmd := &cobra.Command{
		Use: "diff [BRANCH [AGAINST]]", Short: "Show what a branch has changed, against its parent, another branch or its past",
		Example: "  argon diff dev -p shop                     what dev changed since it was made (or merged)\n" +
			"  argon diff dev main -p shop --base point   everything that differs between the two\n" +
			"  argon diff main -p shop --from -1h         main's last hour\n" +
			"  argon diff dev -p shop --patch > dev.patch; argon apply -p shop -b main dev.patch",
		Args: cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				f.branch = args[0]
			}
			if len(args) > 1 {
				f.against = args[1]
			}
			command, err := f.command(stat)
			if err != nil {
				return err
			}
			show := func(ctx context.Context, c *mongo.Client) error {
				switch {
				case stat:
					return a.diffStat(ctx, c, f.project, command)
				case patch:
					return a.patch(ctx, c, f.project, command)
				case a.output != "table":
					return a.stream(ctx, c, f.project, command)
				}
				w := bufio.NewWriter(a.Out)
				p := a.painter(w)
				if err := runCursor(ctx, c, f.project, command, func(d bson.Raw) error { p.show(d); return nil }); err != nil {
					return err
				}
				return w.Flush()
			}
			run := func() error { return a.with(cmd.Context(), show) }
			if patch {
				return run()
			}
			return a.paged(run)
		},
	}
	f.branchFlag(cmd)
	fl := cmd.Flags()
	fl.StringVar(&f.against, "against", "", "the other branch (default: the parent)")
	fl.StringVar(&f.base, "base", "", "mergeBase: what the branch changed; point: all that differs")
	fl.StringVar(&f.from, "from", "", "from this point (of the other branch, or else of the branch itself)")
	fl.StringVar(&f.to, "to", "", "up to this point of the branch")
	fl.StringVar(&f.collection, "collection", "", "this collection alone")
	fl.BoolVar(&stat, "stat", false, "counts by collection")
	fl.BoolVar(&patch, "patch", false, "a patch that `argon apply` takes")
	cmd.MarkFlagsMutuallyExclusive("stat", "patch")
	return cmd
}

// diffStat prints the counts by collection.
func (a *app) diffStat(ctx context.Context, c *mongo.Client, db string, command bson.D) error {
	l := a.list(field("collection", "collection"), field("inserts", "inserts"), field("updates", "updates"), field("deletes", "deletes"), column{"ddl", func(d bson.Raw) string {
		if cell(d.Lookup("kind")) != "ddl" {
			return ""
		}
		return cell(d.Lookup("op")) + ddlDetail(d)
	}})
	if err := runCursor(ctx, c, db, command, l.add); err != nil {
		return err
	}
	return l.print()
}

// patchHeader is the first line of a patch.
const patchHeader = "argon patch 1"

// patch writes a difference so that apply reads it: a header, then a line of
// canonical Extended JSON for each change.
func (a *app) patch(ctx context.Context, c *mongo.Client, db string, command bson.D) error {
	w := bufio.NewWriter(a.Out)
	fmt.Fprintln(w, patchHeader)
	err := runCursor(ctx, c, db, command, func(d bson.Raw) error {
		data, err := bson.MarshalExtJSON(d, true, false)
		if err == nil {
			_, err = w.Write(append(data, '\n'))
		}
		return err
	})
	if err != nil {
		return err
	}
	return w.Flush()
}

// logPatches prints commits with what each changed.
func (a *app) logPatches(cmd *cobra.Command, t *target, command bson.D, full bool) error {
	return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
		w := bufio.NewWriter(a.Out)
		p := a.painter(w)
		err := runCursor(ctx, c, t.project, command, func(d bson.Raw) error {
			lsn, _ := d.Lookup("lsn").AsInt64OK()
			p.line(text.FgYellow, "commit %d", lsn)
			fmt.Fprintf(w, "Actor: %s\nDate:  %s\n", actorOf(d), cell(d.Lookup("time")))
			if s := cell(d.Lookup("comment")); s != "" {
				fmt.Fprintf(w, "\n    %s\n", s)
			}
			fmt.Fprintln(w)
			if !full {
				fmt.Fprintf(w, " %s\n\n", changesOf(d))
				return nil
			}
			p.last = ""
			one := bson.D{{Key: "diffBranch", Value: t.name()}, {Key: "from", Value: lsn - 1}, {Key: "to", Value: lsn}}
			if err := runCursor(ctx, c, t.project, one, func(x bson.Raw) error { p.show(x); return nil }); err != nil {
				fmt.Fprintf(w, " (%s)\n", a.explain(err)) // the first commit of all, or one whose past is gone
			}
			fmt.Fprintln(w)
			return nil
		})
		if err != nil {
			return err
		}
		return w.Flush()
	})
}
