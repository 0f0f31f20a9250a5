package spec

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
	"gopkg.in/yaml.v3"
)

// testFile is a file of the unified test format.
type testFile struct {
	Description       string
	SchemaVersion     string        `bson:"schemaVersion"`
	RunOnRequirements []requirement `bson:"runOnRequirements"`
	CreateEntities    []bson.D      `bson:"createEntities"`
	InitialData       []collData    `bson:"initialData"`
	Tests             []testCase
}

type testCase struct {
	Description       string
	SkipReason        string        `bson:"skipReason"`
	RunOnRequirements []requirement `bson:"runOnRequirements"`
	Operations        []operation
	ExpectEvents      []expectEvents `bson:"expectEvents"`
	Outcome           []collData
}

type requirement struct {
	MinServerVersion string   `bson:"minServerVersion"`
	MaxServerVersion string   `bson:"maxServerVersion"`
	Topologies       []string `bson:"topologies"`
	ServerParameters bson.D   `bson:"serverParameters"`
	Auth             *bool    `bson:"auth"`
}

type collData struct {
	CollectionName string   `bson:"collectionName"`
	DatabaseName   string   `bson:"databaseName"`
	CreateOptions  bson.D   `bson:"createOptions"`
	Documents      []bson.D `bson:"documents"`
}

type operation struct {
	Name                 string
	Object               string
	Arguments            bson.D
	IgnoreResultAndError bool          `bson:"ignoreResultAndError"`
	ExpectError          *expectError  `bson:"expectError"`
	ExpectResult         bson.RawValue `bson:"expectResult"`
	SaveResultAsEntity   string        `bson:"saveResultAsEntity"`
}

type expectError struct {
	IsError            *bool         `bson:"isError"`
	IsClientError      *bool         `bson:"isClientError"`
	IsTimeoutError     *bool         `bson:"isTimeoutError"`
	ErrorContains      string        `bson:"errorContains"`
	ErrorCode          *int          `bson:"errorCode"`
	ErrorCodeName      string        `bson:"errorCodeName"`
	ErrorLabelsContain []string      `bson:"errorLabelsContain"`
	ErrorLabelsOmit    []string      `bson:"errorLabelsOmit"`
	ErrorResponse      bson.D        `bson:"errorResponse"`
	WriteErrors        bson.D        `bson:"writeErrors"`
	WriteConcernErrors bson.A        `bson:"writeConcernErrors"`
	ExpectResult       bson.RawValue `bson:"expectResult"`
}

type expectEvents struct {
	Client            string
	EventType         string   `bson:"eventType"`
	IgnoreExtraEvents bool     `bson:"ignoreExtraEvents"`
	Events            []bson.D `bson:"events"`
}

// readFile reads a YAML file as Extended JSON.
func readFile(path string) (*testFile, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := toJSON(&b, root.Content[0]); err != nil {
		return nil, err
	}
	var doc bson.D
	if err := bson.UnmarshalExtJSON(b.Bytes(), false, &doc); err != nil {
		return nil, err
	}
	raw, err := bson.Marshal(doc)
	if err != nil {
		return nil, err
	}
	f := &testFile{}
	if err := bson.Unmarshal(raw, f); err != nil {
		return nil, err
	}
	if !strings.HasPrefix(f.SchemaVersion, "1.") || f.Description == "" || len(f.Tests) == 0 {
		return nil, fmt.Errorf("a file needs schemaVersion 1.x, a description and tests")
	}
	return f, nil
}

// toJSON writes a node in the order of its file, aliases and merges resolved.
func toJSON(b *bytes.Buffer, n *yaml.Node) error {
	switch n.Kind {
	case yaml.AliasNode:
		return toJSON(b, n.Alias)
	case yaml.SequenceNode:
		b.WriteByte('[')
		for i, e := range n.Content {
			if i > 0 {
				b.WriteByte(',')
			}
			if err := toJSON(b, e); err != nil {
				return err
			}
		}
		b.WriteByte(']')
		return nil
	case yaml.MappingNode:
		b.WriteByte('{')
		for i, p := range pairs(n) {
			if i > 0 {
				b.WriteByte(',')
			}
			key, _ := json.Marshal(p[0].Value)
			b.Write(key)
			b.WriteByte(':')
			if err := toJSON(b, p[1]); err != nil {
				return err
			}
		}
		b.WriteByte('}')
		return nil
	case yaml.ScalarNode:
		switch n.Tag {
		case "!!int", "!!float", "!!bool":
			b.WriteString(n.Value)
		case "!!null":
			b.WriteString("null")
		default:
			s, _ := json.Marshal(n.Value)
			b.Write(s)
		}
		return nil
	}
	return fmt.Errorf("line %d: a YAML node of an unknown kind", n.Line)
}

// pairs returns a mapping's keys and values; those of "<<" come first and give
// way to the mapping's own.
func pairs(n *yaml.Node) [][2]*yaml.Node {
	var out [][2]*yaml.Node
	set := func(k, v *yaml.Node) {
		for i := range out {
			if out[i][0].Value == k.Value {
				out[i][1] = v
				return
			}
		}
		out = append(out, [2]*yaml.Node{k, v})
	}
	for i := 0; i < len(n.Content); i += 2 {
		if k, v := n.Content[i], n.Content[i+1]; k.Tag == "!!merge" {
			if v.Kind == yaml.AliasNode {
				v = v.Alias
			}
			for _, p := range pairs(v) {
				set(p[0], p[1])
			}
		}
	}
	for i := 0; i < len(n.Content); i += 2 {
		if n.Content[i].Tag != "!!merge" {
			set(n.Content[i], n.Content[i+1])
		}
	}
	return out
}
