package cli

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	_ "embed" // the demo's data
	"errors"
	"fmt"
	"io"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// demoMovies is a part of vega-datasets' films; see demodata/LICENSE.
//
//go:embed demodata/movies.ndjson.gz
var demoMovies []byte

const demoProject = "cinema"

// tour loads the demo's data, branches it, changes the branch, and shows the
// past. It can be run again on the same server: it begins anew.
func tour(ctx context.Context, c *mongo.Client, uri string, out io.Writer) error {
	t := &tourist{c: c, out: out, db: c.Database(demoProject)}
	if err := run(ctx, c, demoProject, bson.D{{Key: "dropProject", Value: 1}}, nil); err != nil && !isCode(err, 26) {
		return err
	}
	for _, step := range []func(context.Context) error{t.load, t.look, t.makeBranch, t.change, t.past, t.preview} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	fmt.Fprintf(out, `
The server stays up. Paste next:

  mongosh "%[1]s%[2]s"                  main
  mongosh "%[1]s%[2]s~dev"              the branch: an ordinary database
  mongosh "%[1]s%[2]s@%[3]d"             main as it was, read-only
  argon branch list -p %[2]s
  argon log -p %[2]s -b dev -n 5
  argon query movies -p %[2]s -b dev --at v1 -f '{"Director":"Ridley Scott"}' -n 3
  argon restore preview -p %[2]s -b dev --at v1

`, uri, demoProject, t.loaded)
	return nil
}

type tourist struct {
	c      *mongo.Client
	out    io.Writer
	db     *mongo.Database
	loaded int64
}

func (t *tourist) say(format string, args ...any) { fmt.Fprintf(t.out, format+"\n", args...) }

func (t *tourist) load(ctx context.Context) error {
	z, err := gzip.NewReader(bytes.NewReader(demoMovies))
	if err != nil {
		return fmt.Errorf("demo data: %w", err)
	}
	var docs []any
	for sc := bufio.NewScanner(z); sc.Scan(); {
		var d bson.D
		if err := bson.UnmarshalExtJSON(sc.Bytes(), false, &d); err != nil {
			return fmt.Errorf("demo data: %w", err)
		}
		docs = append(docs, d)
	}
	movies := t.db.Collection("movies")
	if _, err := movies.InsertMany(ctx, docs); err != nil {
		return err
	}
	if _, err := movies.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "Director", Value: 1}, {Key: "IMDB Rating", Value: -1}}}); err != nil {
		return err
	}
	if err := run(ctx, t.c, demoProject, bson.D{{Key: "createTag", Value: "v1"}, {Key: "note", Value: "as loaded"}}, nil); err != nil {
		return err
	}
	t.loaded, err = latestLSN(ctx, t.c, demoProject, "main")
	t.say("loaded      %d films into %s.movies, with an index, and tagged this moment v1 (LSN %d)", len(docs), demoProject, t.loaded)
	return err
}

func (t *tourist) look(ctx context.Context) error {
	cur, err := t.db.Collection("movies").Aggregate(ctx, bson.A{
		bson.D{{Key: "$group", Value: bson.D{{Key: "_id", Value: "$Director"}, {Key: "films", Value: bson.D{{Key: "$sum", Value: 1}}}, {Key: "rating", Value: bson.D{{Key: "$avg", Value: "$IMDB Rating"}}}}}},
		bson.D{{Key: "$match", Value: bson.D{{Key: "films", Value: bson.D{{Key: "$gte", Value: 5}}}}}},
		bson.D{{Key: "$sort", Value: bson.D{{Key: "rating", Value: -1}}}},
		bson.D{{Key: "$limit", Value: 3}},
	})
	if err != nil {
		return err
	}
	var best []struct {
		Director string  `bson:"_id"`
		Films    int32   `bson:"films"`
		Rating   float64 `bson:"rating"`
	}
	if err := cur.All(ctx, &best); err != nil {
		return err
	}
	t.say("asked       the best directors of five films or more:")
	for _, b := range best {
		t.say("              %-20s %2d films, %.2f", b.Director, b.Films, b.Rating)
	}
	return nil
}

func (t *tourist) makeBranch(ctx context.Context) error {
	if err := run(ctx, t.c, demoProject, bson.D{{Key: "createBranch", Value: "dev"}, {Key: "note", Value: "to try things"}}, nil); err != nil {
		return err
	}
	t.say("branched    %s~dev: instant, nothing was copied", demoProject)
	return nil
}

func (t *tourist) change(ctx context.Context) error {
	dev := t.c.Database(demoProject + "~dev").Collection("movies")
	up, err := dev.UpdateMany(ctx, bson.D{{Key: "Director", Value: "Ridley Scott"}}, bson.D{{Key: "$set", Value: bson.D{{Key: "IMDB Rating", Value: 10.0}}}})
	if err != nil {
		return err
	}
	del, err := dev.DeleteMany(ctx, bson.D{{Key: "IMDB Rating", Value: bson.D{{Key: "$lt", Value: 4}}}})
	if err != nil {
		return err
	}
	t.say("changed     on dev: %d films updated, %d deleted", up.ModifiedCount, del.DeletedCount)
	onMain, err := t.db.Collection("movies").CountDocuments(ctx, bson.D{})
	if err != nil {
		return err
	}
	onDev, err := dev.CountDocuments(ctx, bson.D{})
	if err != nil {
		return err
	}
	t.say("compared    main has %d films, dev %d", onMain, onDev)
	return nil
}

func (t *tourist) past(ctx context.Context) error {
	filter := bson.D{{Key: "Director", Value: "Ridley Scott"}}
	best := options.FindOne().SetSort(bson.D{{Key: "IMDB Rating", Value: -1}})
	for _, name := range []string{demoProject + "~dev", fmt.Sprintf("%s~dev@%d", demoProject, t.loaded)} {
		var film bson.M
		if err := t.c.Database(name).Collection("movies").FindOne(ctx, filter, best).Decode(&film); err != nil {
			return err
		}
		t.say("read        %-18s %v: %v", name, film["Title"], film["IMDB Rating"])
	}
	return nil
}

func (t *tourist) preview(ctx context.Context) error {
	var reply struct {
		Preview struct {
			Collections []struct {
				Name                      string
				Inserts, Updates, Deletes int64
			}
		}
	}
	if err := run(ctx, t.c, demoProject, bson.D{{Key: "restoreBranch", Value: "dev"}, {Key: "to", Value: "v1"}, {Key: "dryRun", Value: true}}, &reply); err != nil {
		return err
	}
	for _, c := range reply.Preview.Collections {
		t.say("previewed   restoring dev to v1 would insert %d, update %d and delete %d in %s", c.Inserts, c.Updates, c.Deletes, c.Name)
	}
	return nil
}

func latestLSN(ctx context.Context, c *mongo.Client, project, branch string) (int64, error) {
	var reply bson.Raw
	if err := run(ctx, c, project, bson.D{{Key: "historyInfo", Value: branch}}, &reply); err != nil {
		return 0, err
	}
	n, _ := reply.Lookup("latestLsn").AsInt64OK()
	return n, nil
}

func isCode(err error, code int32) bool {
	var ce mongo.CommandError
	return errors.As(err, &ce) && ce.Code == code
}
