package equiv

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
	"github.com/argon-db/argon/test/seed"
)

// programs in one run; `make soak` asks for more.
func programs(t *testing.T) int {
	if n, err := strconv.Atoi(os.Getenv("ARGON_DIFF_PROGRAMS")); err == nil {
		return n
	}
	if testing.Short() {
		return 5
	}
	return 60
}

func TestRandomProgramsAnswerTheSame(t *testing.T) {
	base, others := sides(t)
	s := seed.Of(t)
	answered, failed, found := 0, 0, 0
	for i := range programs(t) {
		g := gen{rand.New(rand.NewPCG(s, uint64(i)))}
		p := g.program()
		want, err := base.run(t.Context(), p)
		if err != nil {
			t.Fatalf("program %d: %v", i, err)
		}
		for _, o := range want {
			switch {
			case o.code != 0:
				failed++
			default:
				answered++
				found += len(o.docs)
			}
		}
		for _, o := range others {
			got, err := o.run(t.Context(), p)
			if err != nil {
				t.Fatalf("program %d: %v", i, err)
			}
			if at, why := o.first(p, want, got); at >= 0 {
				q, small := shrink(context.Background(), base, o, p, at)
				if small != "" {
					p, why = q, small
				}
				t.Errorf("program %d, %s and %s, operation %d:\n%s\n%s", i, base.name, o.name, at, p.text(o.indexes), why)
				return
			}
		}
	}
	t.Logf("%d answers with %d documents, %d errors", answered, found, failed)
	if answered < 2*failed || found < 3*answered {
		t.Errorf("too few of the operations say something: %d answers with %d documents, %d errors", answered, found, failed)
	}
}

// sides starts the servers and returns the side that the others are compared with.
func sides(t *testing.T) (base *side, others []*side) {
	start := func(parameters map[string]string) *mongo.Client {
		return harness.StartWith(t, daemon.Options{FS: vfs.NewMem(), Dir: "/data", Parameters: parameters}).Client(t)
	}
	first := start(nil)
	plain := start(map[string]string{"enableTestCommands": "1"})
	if err := plain.Database("admin").RunCommand(t.Context(), bson.D{{Key: "configureFailPoint", Value: "disablePipelineOptimization"}, {Key: "mode", Value: "alwaysOn"}}).Err(); err != nil {
		t.Fatal(err)
	}
	small := map[string]string{}
	for _, p := range []string{"internalDocumentSourceGroupMaxMemoryBytes", "internalQueryMaxBlockingSortMemoryUsageBytes", "internalDocumentSourceSetWindowFieldsMaxMemoryBytes"} {
		small[p] = "700"
	}
	base = &side{name: "without indexes", client: first}
	others = []*side{
		{name: "with indexes", client: first, indexes: true},
		{name: "without the optimizer", client: plain, lenient: true},
		{name: "spilling", client: start(small)},
		{name: "on a branch, with indexes", client: first, indexes: true, branch: true},
		{name: "in the past", client: first, past: true, same: true},
	}
	if uri := os.Getenv("ARGON_DIFF_URI"); uri != "" {
		cl, err := mongo.Connect(options.Client().ApplyURI(uri))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cl.Disconnect(context.Background()) })
		others = append(others, &side{name: uri, client: cl, same: true})
	}
	return base, others
}
