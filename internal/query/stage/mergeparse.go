package stage

import (
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/expr"
)

// mergeStage is $merge.
type mergeStage struct {
	named
	pc       *ParseContext
	ns       Namespace
	on       []string
	onPaths  [][]string
	lets     []letVar
	scope    *expr.Scope  // with $$new and let, for the pipeline
	newSlot  int          // of $$new
	pipeline []bsonx.Doc  // whenMatched as a pipeline …
	raw      bsonx.Value  // … and as it was given
	matched  mergeMatched // what to do with a document that is there
	absent   mergeNoMatch // … and with one that is not
}

// mergeMatched is whenMatched, mergeNoMatch whenNotMatched.
type (
	mergeMatched uint8
	mergeNoMatch uint8
)

const (
	mergeFields mergeMatched = iota
	mergeReplace
	mergeKeep
	mergeFail
	mergePipeline
)

const (
	absentInsert mergeNoMatch = iota
	absentDiscard
	absentFail
)

func mergeSpec() *idl.Spec {
	return idl.New("$merge",
		idl.Field{Name: "into", Types: idl.Any, Required: true},
		idl.Field{Name: "on", Types: idl.Any},
		idl.Field{Name: "let", Types: idl.Object},
		idl.Field{Name: "whenMatched", Types: idl.Any},
		idl.Field{Name: "whenNotMatched", Types: idl.String})
}

func parseMerge(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	s := &mergeStage{named: name("$merge", arg), pc: pc, on: []string{"_id"}}
	var a idl.Args
	spec := bsonx.Doc(s.spec.Data)
	switch arg.Type {
	case bsonx.String:
		b := bsonx.NewDoc(nil)
		b.Value("into", arg)
		spec = b.Done()
	case bsonx.Object:
	default:
		return nil, errcode.New(51182, "$merge only supports a string or object argument, not %s", bsonx.TypeName(arg.Type))
	}
	err := mergeSpec().Decode(spec, &a)
	if err != nil {
		return nil, err
	}
	if s.ns, err = mergeTarget(a.Get("into"), pc.NS.DB); err != nil {
		return nil, err
	}
	if err := s.parseOptions(&a); err != nil {
		return nil, err
	}
	for _, f := range s.on {
		p, err := expr.SplitPath(f)
		if err != nil {
			return nil, err
		}
		s.onPaths = append(s.onPaths, p)
	}
	return []Stage{s}, nil
}

// mergeTarget reads into: a collection's name, or {db, coll}.
func mergeTarget(v bsonx.Value, db string) (Namespace, error) {
	ns := Namespace{DB: db}
	switch v.Type {
	case bsonx.String:
		ns.Coll, _ = stringOf(v)
		if ns.Coll == "" {
			return ns, errcode.New(5786800, "$merge 'into' field must specify a 'coll' that is not empty, null or undefined")
		}
	case bsonx.Object:
		var a idl.Args
		spec := idl.New("$merge.into", idl.Field{Name: "db", Types: idl.String}, idl.Field{Name: "coll", Types: idl.String})
		if err := spec.Decode(bsonx.Doc(v.Data), &a); err != nil {
			return ns, err
		}
		ns = Namespace{a.String("db", db), a.String("coll", "")}
		if ns.Coll == "" {
			return ns, errcode.New(5786801, "$merge 'into' field must specify a 'coll' that is not empty, null or undefined")
		}
	default:
		return ns, errcode.New(51178, "$merge 'into' field must be either a string or an object, but found %s", bsonx.TypeName(v.Type))
	}
	return ns, checkTarget(ns, "$merge", 31319, 31320)
}

func (s *mergeStage) parseOptions(a *idl.Args) (err error) {
	if s.on, err = mergeOn(a.Get("on")); err != nil {
		return err
	}
	if err := s.parseWhen(a); err != nil {
		return err
	}
	unsupported := s.matched == mergeKeep && s.absent != absentInsert || s.matched == mergeFail && s.absent != absentInsert
	if unsupported {
		return errcode.New(51181, "Combination of {whenMatched: %s and whenNotMatched: %s} is not supported in $merge stage",
			a.Get("whenMatched"), a.String("whenNotMatched", "insert"))
	}
	return s.parseMergeLet(a)
}

// mergeOn reads on: a field or several, each once.
func mergeOn(v bsonx.Value) ([]string, error) {
	switch v.Type {
	case bsonx.Missing:
		return []string{"_id"}, nil
	case bsonx.String:
		s, _ := stringOf(v)
		return []string{s}, checkOnField(s)
	case bsonx.Array:
	default:
		return nil, errcode.New(51186, "$merge 'on' field must be either a string or an array of strings, but found %s", bsonx.TypeName(v.Type))
	}
	var on []string
	for it := bsonx.NewIter(v.Data); it.Next(); {
		s, ok := stringOf(it.Value())
		if !ok {
			return nil, errcode.New(51134, "$merge 'on' array elements must be strings, but found %s", bsonx.TypeName(it.Value().Type))
		}
		if err := checkOnField(s); err != nil {
			return nil, err
		}
		if slices.Contains(on, s) {
			return nil, errcode.New(31465, "Found a duplicate field in the $merge.on list: '%s'", s)
		}
		on = append(on, s)
	}
	if len(on) == 0 {
		return nil, errcode.New(51187, "If explicitly specifying $merge 'on', must include at least one field")
	}
	return on, nil
}

func checkOnField(s string) error {
	_, err := expr.SplitPath(s)
	return err
}

func (s *mergeStage) parseWhen(a *idl.Args) error {
	m := a.Get("whenMatched")
	switch m.Type {
	case bsonx.Missing:
	case bsonx.String:
		name, _ := stringOf(m)
		i := slices.Index([]string{"merge", "replace", "keepExisting", "fail"}, name)
		if i < 0 {
			return errcode.New(errcode.BadValue, "Enumeration value '%s' for field 'whenMatched' is not a valid value.", name)
		}
		s.matched = mergeMatched(i)
	case bsonx.Array:
		docs, err := docsOf(m, errcode.TypeMismatch, "Each element of the 'pipeline' array must be an object")
		if err != nil {
			return err
		}
		s.matched, s.pipeline, s.raw = mergePipeline, docs, m
	default:
		return errcode.New(51191, "$merge 'whenMatched' field must be either a string or an array, but found %s", bsonx.TypeName(m.Type))
	}
	name := a.String("whenNotMatched", "insert")
	i := slices.Index([]string{"insert", "discard", "fail"}, name)
	if i < 0 {
		return errcode.New(errcode.BadValue, "Enumeration value '%s' for field '$merge.whenNotMatched' is not a valid value.", name)
	}
	s.absent = mergeNoMatch(i)
	return nil
}

// parseMergeLet defines $$new, the incoming document, and the variables of let.
func (s *mergeStage) parseMergeLet(a *idl.Args) error {
	if s.matched != mergePipeline {
		if a.Has("let") {
			return errcode.New(51199, "Cannot use 'let' variables with 'whenMatched: %s' mode", strings.Trim(a.Get("whenMatched").String(), `"`))
		}
		return nil
	}
	let := a.Doc("let")
	if v := bsonx.Lookup(let, "new"); v.Type != bsonx.Missing {
		if r, _ := stringOf(v); r != "$$ROOT" {
			return errcode.New(51273, "'let' may not define a value for the reserved 'new' variable other than '$$ROOT'")
		}
	}
	lets, sc, err := parseLet(let, s.pc.Scope)
	if err != nil {
		return err
	}
	s.lets = lets
	s.scope, s.newSlot = sc.Define("new")
	return nil
}
