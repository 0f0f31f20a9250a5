package cli

import (
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
)

// newBranch are the flags that say what a new branch is.
type newBranch struct {
	from, note             string
	ttl                    time.Duration
	protected, ifNotExists bool
	schemaOnly             bool
	mask                   []string
	maskFile, maskSecret   string
}

// flags adds those that branches and sandboxes have in common.
func (n *newBranch) flags(cmd *cobra.Command, ttl time.Duration) {
	f := cmd.Flags()
	f.StringVar(&n.from, "from", "", "parent branch (default: the default branch)")
	f.DurationVar(&n.ttl, "ttl", ttl, "delete the branch after this time")
	f.StringVar(&n.note, "note", "", "what the branch is for")
	f.BoolVar(&n.schemaOnly, "schema-only", false, "collections, indexes and validators, but no documents")
	f.StringArrayVar(&n.mask, "mask", nil, "mask a field: COLLECTION.FIELD=null|remove|redact|hash|fake[:KIND]; * is every collection")
	f.StringVar(&n.maskFile, "mask-file", "", "file with the rules: {COLLECTION: {FIELD: RULE}} as JSON")
	f.StringVar(&n.maskSecret, "mask-secret", "", "makes the same values of the same ones in several branches")
}

// command is createBranch for a name.
func (n *newBranch) command(name string, point any) (bson.D, error) {
	cmd := bson.D{{Key: "createBranch", Value: name}}
	add := func(is bool, key string, v any) {
		if is {
			cmd = append(cmd, bson.E{Key: key, Value: v})
		}
	}
	add(n.from != "", "from", n.from)
	add(point != nil, "at", point)
	add(n.ttl != 0, "ttlSeconds", int64(n.ttl.Seconds()))
	add(n.note != "", "note", n.note)
	add(n.protected, "protected", true)
	add(n.ifNotExists, "ifNotExists", true)
	add(n.schemaOnly, "schemaOnly", true)
	rules, err := n.rules()
	if err != nil {
		return nil, err
	}
	add(rules != nil, "mask", rules)
	add(n.maskSecret != "", "maskSecret", n.maskSecret)
	return cmd, nil
}

// rules reads the rules of --mask and --mask-file.
func (n *newBranch) rules() (bson.D, error) {
	var out bson.D
	if n.maskFile != "" {
		data, err := os.ReadFile(n.maskFile)
		if err != nil {
			return nil, usage("--mask-file: %v", err)
		}
		if err := bson.UnmarshalExtJSON(data, false, &out); err != nil {
			return nil, usage("--mask-file %s: %v", n.maskFile, err)
		}
	}
	for _, m := range n.mask {
		where, rule, ok := strings.Cut(m, "=")
		coll, path, ok2 := strings.Cut(where, ".")
		if !ok || !ok2 || coll == "" || path == "" {
			return nil, usage("--mask %s: write it as COLLECTION.FIELD=RULE, for example users.email=hash", m)
		}
		var r any = rule
		if rule, as, ok := strings.Cut(rule, ":"); ok {
			r = bson.D{{Key: "rule", Value: rule}, {Key: "as", Value: as}}
		}
		at := -1
		for i := range out {
			if out[i].Key == coll {
				at = i
			}
		}
		if at < 0 {
			out = append(out, bson.E{Key: coll, Value: bson.D{}})
			at = len(out) - 1
		}
		fields, ok := out[at].Value.(bson.D)
		if !ok {
			return nil, usage("--mask-file %s: %s must have fields with rules", n.maskFile, coll)
		}
		out[at].Value = append(fields, bson.E{Key: path, Value: r})
	}
	return out, nil
}
