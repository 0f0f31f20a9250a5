package cli

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// maxPatch is what one message to the server takes, with room around it.
const maxPatch = 45 << 20

func (a *app) apply() *cobra.Command {
	var m mergeFlags
	cmd := &cobra.Command{
		Use: "apply [FILE]", Short: "Apply a patch of `argon diff --patch` to a branch; status 3 when it conflicts",
		Long: "Apply brings the documents and the definitions (collections, indexes, options) of a patch\nto a branch in one commit, or nothing when they conflict. Without FILE, or with -, the\npatch comes from standard input.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			in := a.In
			if len(args) == 1 && args[0] != "-" {
				f, err := os.Open(args[0])
				if err != nil {
					return usage("%v", err)
				}
				defer f.Close()
				in = f
			}
			ddl, changes, err := readPatch(in)
			if err != nil {
				return err
			}
			if len(ddl) > 0 {
				return a.applyStaged(cmd.Context(), &m, ddl, changes)
			}
			command, err := m.command(bson.D{{Key: "applyPatch", Value: m.name()}, {Key: "changes", Value: changes}})
			if err != nil {
				return err
			}
			return a.perform(cmd.Context(), m.project, command, "applied")
		},
	}
	m.branchFlag(cmd)
	m.add(cmd)
	return cmd
}

// applyStaged applies a patch with definitions to a branch of the branch, by ordinary
// commands, and merges that in one commit, as one change: all of it comes, or
// nothing.
func (a *app) applyStaged(ctx context.Context, m *mergeFlags, ddl []bson.Raw, changes bson.A) error {
	if m.project == "" {
		return usage("name the project with -p")
	}
	stage := "patch-" + random(4)
	err := a.with(ctx, func(ctx context.Context, c *mongo.Client) error {
		return run(ctx, c, m.project, bson.D{{Key: "createBranch", Value: stage}, {Key: "from", Value: m.name()},
			{Key: "ttlSeconds", Value: 3600}, {Key: "note", Value: "a patch that is being applied"}}, nil)
	})
	if err != nil {
		return err
	}
	defer func() {
		_ = a.with(context.WithoutCancel(ctx), func(ctx context.Context, c *mongo.Client) error {
			return run(ctx, c, m.project, bson.D{{Key: "dropBranch", Value: stage}}, nil)
		})
	}()
	err = a.with(ctx, func(ctx context.Context, c *mongo.Client) error {
		if err := applyDDL(ctx, c, m.project+"~"+stage, ddl); err != nil || len(changes) == 0 {
			return err
		}
		wet := *m
		wet.dryRun = false
		command, err := wet.command(bson.D{{Key: "applyPatch", Value: stage}, {Key: "changes", Value: changes}})
		if err != nil {
			return err
		}
		var reply bson.Raw
		if err := run(ctx, c, m.project, command, &reply); err != nil {
			return err
		}
		return a.conflicts(reply, func() error { a.plan(reply, ""); return nil })
	})
	if err != nil {
		return err
	}
	command, err := m.command(bson.D{{Key: "mergeBranch", Value: stage}, {Key: "into", Value: m.name()}, {Key: "squash", Value: true}})
	if err != nil {
		return err
	}
	return a.perform(ctx, m.project, command, "applied")
}

// readPatch reads a patch: changes of definitions, and documents.
func readPatch(in io.Reader) (ddl []bson.Raw, changes bson.A, err error) {
	r := bufio.NewReaderSize(in, 1<<20)
	head, err := r.ReadString('\n')
	if err != nil || string(bytes.TrimSpace([]byte(head))) != patchHeader {
		return nil, nil, usage("this is not a patch of `argon diff --patch`: it does not begin with %q", patchHeader)
	}
	changes = bson.A{}
	size := 0
	for n := 2; ; n++ {
		line, err := r.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			var d bson.Raw
			if e := bson.UnmarshalExtJSON(line, true, &d); e != nil {
				return nil, nil, usage("line %d of the patch: %v", n, e)
			}
			if size += len(d); size > maxPatch {
				return nil, nil, usage("the patch is larger than %d MB, more than one commit takes over the wire; make it by collection (--collection)", maxPatch>>20)
			}
			switch cell(d.Lookup("kind")) {
			case "ddl":
				ddl = append(ddl, d)
			case "insert", "update", "delete":
				changes = append(changes, d)
			default:
				return nil, nil, usage("line %d of the patch has no kind", n)
			}
		}
		if err == io.EOF {
			return ddl, changes, nil
		}
		if err != nil {
			return nil, nil, fmt.Errorf("read the patch: %w", err)
		}
	}
}

// applyDDL makes the changes of definitions by the ordinary commands.
func applyDDL(ctx context.Context, c *mongo.Client, db string, ddl []bson.Raw) error {
	for _, d := range ddl {
		coll := cell(d.Lookup("collection"))
		options, _ := d.Lookup("options").DocumentOK()
		with := func(cmd bson.D) bson.D {
			elems, _ := options.Elements()
			for _, e := range elems {
				cmd = append(cmd, bson.E{Key: e.Key(), Value: e.Value()})
			}
			return cmd
		}
		on := db
		var cmd bson.D
		switch op := cell(d.Lookup("op")); op {
		case "create":
			cmd = with(bson.D{{Key: "create", Value: coll}})
		case "drop":
			cmd = bson.D{{Key: "drop", Value: coll}}
		case "rename":
			on = "admin"
			cmd = bson.D{{Key: "renameCollection", Value: db + "." + coll}, {Key: "to", Value: db + "." + cell(d.Lookup("to"))}}
		case "createIndexes":
			cmd = bson.D{{Key: "createIndexes", Value: coll}, {Key: "indexes", Value: d.Lookup("specs")}}
		case "dropIndexes":
			cmd = bson.D{{Key: "dropIndexes", Value: coll}, {Key: "index", Value: d.Lookup("indexes")}}
		case "modify":
			cmd = with(bson.D{{Key: "collMod", Value: coll}})
		default:
			return usage("the patch has a change of definitions that this version does not know: %s", op)
		}
		if err := run(ctx, c, on, cmd, nil); err != nil {
			return fmt.Errorf("%s %s: %w", cell(d.Lookup("op")), coll, err)
		}
	}
	return nil
}
