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
		Long: "Apply brings the documents of a patch to a branch in one commit, or nothing when they\nconflict. Changes of definitions (collections, indexes, options) come first, each a\ncommit of its own. Without FILE, or with -, the patch comes from standard input.",
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
			db, err := m.db()
			if err != nil {
				return err
			}
			command, err := m.command(bson.D{{Key: "applyPatch", Value: m.name()}, {Key: "changes", Value: changes}})
			if err != nil {
				return err
			}
			if !m.dryRun {
				if err := a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error { return applyDDL(ctx, c, db, ddl) }); err != nil {
					return err
				}
			}
			return a.perform(cmd.Context(), m.project, command, "applied")
		},
	}
	m.branchFlag(cmd)
	m.add(cmd)
	return cmd
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
