package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"go.mongodb.org/mongo-driver/v2/bson"
	"golang.org/x/term"
	"gopkg.in/yaml.v3"
)

// column is one column of a table: a heading and how a document fills it.
type column struct {
	head string
	cell func(d bson.Raw) string
}

// field makes a column of a document's field.
func field(head string, path ...string) column {
	return column{head, func(d bson.Raw) string { return cell(d.Lookup(path...)) }}
}

// list collects documents and prints them in the chosen form. JSON is one array
// of relaxed Extended JSON; a table goes to a terminal, plain columns to a pipe.
type list struct {
	app     *app
	columns []column
	docs    []bson.Raw
}

func (a *app) list(columns ...column) *list { return &list{app: a, columns: columns} }

func (l *list) add(d bson.Raw) error {
	l.docs = append(l.docs, append(bson.Raw(nil), d...))
	return nil
}

func (l *list) print() error {
	switch l.app.output {
	case "json", "yaml":
		values := make([]any, len(l.docs))
		for i, d := range l.docs {
			v, err := generic(d)
			if err != nil {
				return err
			}
			values[i] = v
		}
		return l.app.structured(values)
	}
	if l.app.terminal() {
		return l.pretty()
	}
	w := tabwriter.NewWriter(l.app.Out, 0, 0, 2, ' ', 0)
	for i, c := range l.columns {
		fmt.Fprint(w, strings.ToUpper(c.head), end(i, len(l.columns)))
	}
	for _, d := range l.docs {
		for i, c := range l.columns {
			fmt.Fprint(w, c.cell(d), end(i, len(l.columns)))
		}
	}
	return w.Flush()
}

func end(i, n int) string {
	if i == n-1 {
		return "\n"
	}
	return "\t"
}

func (l *list) pretty() error {
	t := table.NewWriter()
	t.SetOutputMirror(l.app.Out)
	style := table.StyleLight
	style.Options.SeparateRows = false
	if os.Getenv("NO_COLOR") == "" {
		style.Color.Header = text.Colors{text.Bold}
	}
	t.SetStyle(style)
	head := make(table.Row, len(l.columns))
	for i, c := range l.columns {
		head[i] = c.head
	}
	t.AppendHeader(head)
	for _, d := range l.docs {
		row := make(table.Row, len(l.columns))
		for i, c := range l.columns {
			row[i] = c.cell(d)
		}
		t.AppendRow(row)
	}
	t.Render()
	return nil
}

// document prints one document: as fields under each other, or in the chosen form.
func (a *app) document(d bson.Raw) error {
	if a.output != "table" {
		v, err := generic(d)
		if err != nil {
			return err
		}
		return a.structured(v)
	}
	elems, err := d.Elements()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.Out, 0, 0, 2, ' ', 0)
	for _, e := range elems {
		switch e.Key() {
		case "ok", "$clusterTime", "operationTime":
		default:
			fmt.Fprintf(w, "%s\t%s\n", e.Key(), cell(e.Value()))
		}
	}
	return w.Flush()
}

func (a *app) structured(v any) error {
	if a.output == "yaml" {
		enc := yaml.NewEncoder(a.Out)
		enc.SetIndent(2)
		if err := enc.Encode(v); err != nil {
			return err
		}
		return enc.Close()
	}
	enc := json.NewEncoder(a.Out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}

// generic turns a document into what JSON and YAML print, in relaxed Extended
// JSON, with the order of fields kept.
func generic(d bson.Raw) (any, error) {
	data, err := bson.MarshalExtJSON(d, false, false)
	if err != nil {
		return nil, fmt.Errorf("to JSON: %w", err)
	}
	return ordered{data}, nil
}

// ordered is JSON that keeps its order in YAML too.
type ordered struct{ data json.RawMessage }

// MarshalJSON implements json.Marshaler.
func (o ordered) MarshalJSON() ([]byte, error) { return o.data, nil }

// MarshalYAML implements yaml.Marshaler: JSON is YAML, so it is parsed as such.
func (o ordered) MarshalYAML() (any, error) {
	var n yaml.Node
	if err := yaml.Unmarshal(o.data, &n); err != nil {
		return nil, err
	}
	if len(n.Content) == 0 {
		return nil, nil
	}
	blockStyle(n.Content[0])
	return n.Content[0], nil
}

func blockStyle(n *yaml.Node) {
	n.Style = 0
	for _, c := range n.Content {
		blockStyle(c)
	}
}

// cell renders a value for a person.
func cell(v bson.RawValue) string {
	switch v.Type {
	case 0, bson.TypeNull:
		return ""
	case bson.TypeString:
		return v.StringValue()
	case bson.TypeInt32:
		return fmt.Sprint(v.Int32())
	case bson.TypeInt64:
		return fmt.Sprint(v.Int64())
	case bson.TypeDouble:
		return fmt.Sprint(v.Double())
	case bson.TypeBoolean:
		return fmt.Sprint(v.Boolean())
	case bson.TypeDateTime:
		return v.Time().UTC().Format("2006-01-02T15:04:05.000Z")
	case bson.TypeObjectID:
		return v.ObjectID().Hex()
	}
	data, err := bson.MarshalExtJSON(bson.D{{Key: "v", Value: v}}, false, false)
	if err != nil {
		return v.String()
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(data), `{"v":`), "}")
}

// size renders a number of bytes.
func size(n int64) string {
	const unit = 1024
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	f, i := float64(n)/unit, 0
	for f >= unit && i < 4 {
		f, i = f/unit, i+1
	}
	return fmt.Sprintf("%.1f %ciB", f, "KMGTP"[i])
}

func isTerminal(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// say prints a line for a person, only in table output.
func (a *app) say(format string, args ...any) {
	if a.output == "table" {
		fmt.Fprintf(a.Out, format+"\n", args...)
	}
}

// millis is a time in milliseconds as people read it.
func millis(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
