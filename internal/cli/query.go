package cli

import (
	"bufio"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

func (a *app) query() *cobra.Command {
	var t target
	var filter, sort, projection, pipeline string
	var limit int64
	cmd := &cobra.Command{
		Use: "query COLLECTION", Short: "Find documents or run a pipeline, at any point", Args: exactly(1, "a collection"),
		Example: "  argon query orders -p shop -f '{\"total\": {\"$gt\": 20}}' --sort '{\"total\": -1}'\n" +
			"  argon query orders -p shop -b dev --at -15m --pipeline '[{\"$count\": \"n\"}]'",
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.dbAt(cmd)
			if err != nil {
				return err
			}
			command, err := queryCommand(args[0], filter, sort, projection, pipeline, limit)
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error { return a.stream(ctx, c, db, command) })
		},
	}
	t.branchFlag(cmd)
	t.pointFlags(cmd)
	f := cmd.Flags()
	f.StringVarP(&filter, "filter", "f", "", "filter (Extended JSON)")
	f.StringVar(&sort, "sort", "", "sort (Extended JSON)")
	f.StringVar(&projection, "projection", "", "projection (Extended JSON)")
	f.StringVar(&pipeline, "pipeline", "", "aggregation pipeline (Extended JSON array), instead of a filter")
	f.Int64VarP(&limit, "limit", "n", 0, "at most so many documents")
	cmd.MarkFlagsMutuallyExclusive("filter", "pipeline")
	return cmd
}

func queryCommand(coll, filter, sort, projection, pipeline string, limit int64) (bson.D, error) {
	if pipeline != "" {
		var stages struct{ V bson.A }
		if err := bson.UnmarshalExtJSON([]byte(`{"v":`+pipeline+`}`), false, &stages); err != nil {
			return nil, usage("--pipeline: %v", err)
		}
		if sort != "" || projection != "" {
			return nil, usage("--sort and --projection are stages of a pipeline: $sort and $project")
		}
		if limit > 0 {
			stages.V = append(stages.V, bson.D{{Key: "$limit", Value: limit}})
		}
		return bson.D{{Key: "aggregate", Value: coll}, {Key: "pipeline", Value: stages.V}, {Key: "cursor", Value: bson.D{}}}, nil
	}
	command := bson.D{{Key: "find", Value: coll}}
	for _, f := range []struct{ key, text string }{{"filter", filter}, {"sort", sort}, {"projection", projection}} {
		if f.text == "" {
			continue
		}
		var d bson.D
		if err := bson.UnmarshalExtJSON([]byte(f.text), false, &d); err != nil {
			return nil, usage("--%s: %v", f.key, err)
		}
		command = append(command, bson.E{Key: f.key, Value: d})
	}
	if limit > 0 {
		command = append(command, bson.E{Key: "limit", Value: limit})
	}
	return command, nil
}

// stream prints documents as they come: a line each, or one JSON array.
func (a *app) stream(ctx context.Context, c *mongo.Client, db string, command bson.D) error {
	if a.output == "yaml" {
		l := a.list()
		if err := runCursor(ctx, c, db, command, l.add); err != nil {
			return err
		}
		return l.print()
	}
	w := bufio.NewWriter(a.Out)
	n := 0
	err := runCursor(ctx, c, db, command, func(d bson.Raw) error {
		data, err := bson.MarshalExtJSON(d, false, false)
		if err != nil {
			return err
		}
		if a.output == "json" {
			lead := ",\n  "
			if n == 0 {
				lead = "[\n  "
			}
			fmt.Fprint(w, lead)
			_, err = w.Write(data)
		} else {
			_, err = w.Write(append(data, '\n'))
		}
		n++
		return err
	})
	if err != nil {
		return err
	}
	if a.output == "json" {
		if n == 0 {
			fmt.Fprint(w, "[]\n")
		} else {
			fmt.Fprint(w, "\n]\n")
		}
	}
	return w.Flush()
}
