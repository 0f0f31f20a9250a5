package script

import (
	_ "embed"
	"errors"
	"fmt"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
	"github.com/dop251/goja/parser"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

//go:embed prelude.js
var prelude string

// maxCalls bounds the nesting of calls within JavaScript.
const maxCalls = 5000

// engine is one command's JavaScript world.
type engine struct {
	vm      *goja.Runtime
	fns     map[string]goja.Callable
	types   map[bsonx.Type]*goja.Object // prototypes of the types that JavaScript has not
	boxed   *goja.Symbol
	origin  *goja.Symbol
	getTime goja.Callable
	emitted []goja.Value // pairs
}

// scriptError is an error with a code of its own.
type scriptError struct {
	code errcode.Code
	text string
}

// Error implements error.
func (e *scriptError) Error() string { return e.text }

func asScriptError(err error, to *scriptError) bool {
	var s *scriptError
	if errors.As(err, &s) {
		*to = *s
		return true
	}
	return false
}

func newEngine() *engine {
	e := &engine{vm: goja.New(), fns: map[string]goja.Callable{}, types: map[bsonx.Type]*goja.Object{},
		boxed: goja.NewSymbol("bson"), origin: goja.NewSymbol("origin")}
	e.vm.SetMaxCallStackSize(maxCalls)
	e.defineTypes()
	get, err := e.vm.RunString("(function () { var f = Date.prototype.getTime; return function (d) { return f.call(d); }; })()")
	if err == nil {
		e.getTime, _ = goja.AssertFunction(get)
	}
	return e
}

func (e *engine) setGlobals(d bsonx.Doc) error {
	for it := bsonx.NewIter(d); it.Next(); {
		if err := e.vm.Set(string(it.Key()), e.toJS(it.Value())); err != nil {
			return err
		}
	}
	return nil
}

// answer runs a request and writes its result.
func (e *engine) answer(b *bsonx.Builder, r request) (err error) {
	defer func() {
		if p := recover(); p != nil { // a Go panic inside the engine
			err = fmt.Errorf("the JavaScript engine failed: %v", p)
		}
	}()
	f, err := e.function(r.code)
	if err != nil {
		return describe(err)
	}
	switch r.op {
	case opFold:
		return e.fold(b, f, r)
	case opEmit:
		return e.emit(b, f, r.this)
	}
	var this goja.Value = goja.Undefined()
	if !bsonx.IsMissing(r.this) {
		this = e.toJS(r.this)
		if err := e.vm.Set("obj", this); err != nil {
			return err
		}
	}
	args := make([]goja.Value, len(r.args))
	for i, v := range r.args {
		args[i] = e.toJS(v)
	}
	v, err := f(this, args...)
	if err != nil {
		return describe(err)
	}
	return e.fromJS(b, "v", v, 0, nil)
}

func (e *engine) fold(b *bsonx.Builder, f goja.Callable, r request) error {
	state := e.toJS(r.this)
	for _, c := range r.args {
		args := []goja.Value{state}
		for it := bsonx.NewIter(c.Data); it.Next(); {
			args = append(args, e.toJS(it.Value()))
		}
		var err error
		if state, err = f(goja.Undefined(), args...); err != nil {
			return describe(err)
		}
	}
	return e.fromJS(b, "v", state, 0, nil)
}

func (e *engine) emit(b *bsonx.Builder, f goja.Callable, doc bsonx.Value) error {
	e.emitted = e.emitted[:0]
	if _, err := f(e.toJS(doc)); err != nil {
		return describe(err)
	}
	at := b.OpenArray("v")
	for i := 0; i+1 < len(e.emitted); i += 2 {
		p := b.OpenDoc(bsonx.Index(i / 2))
		for j, name := range []string{"k", "v"} {
			v := e.emitted[i+j]
			if goja.IsUndefined(v) { // as MongoDB's emit has it
				v = goja.Null()
			}
			if err := e.fromJS(b, name, v, 0, nil); err != nil {
				return err
			}
		}
		b.Close(p)
	}
	b.Close(at)
	return nil
}

// function returns the function of a source text: a function, or an expression or
// statements that are a function's body.
func (e *engine) function(code string) (goja.Callable, error) {
	if f := e.fns[code]; f != nil {
		return f, nil
	}
	if nesting(code) > maxNesting {
		return nil, fmt.Errorf("SyntaxError: brackets are nested deeper than %d", maxNesting)
	}
	form := "(function () { %s\n})"
	if p, err := parser.ParseFile(nil, "", "("+code+"\n)", 0, parser.WithDisableSourceMaps); err == nil && len(p.Body) == 1 {
		form = "(function () { return (%s\n); })"
		if x, ok := p.Body[0].(*ast.ExpressionStatement); ok && isFunction(x.Expression) {
			form = "(%s\n)"
		}
	}
	v, err := e.vm.RunString(fmt.Sprintf(form, code))
	if err != nil {
		return nil, err
	}
	f, ok := goja.AssertFunction(v)
	if !ok {
		return nil, errors.New("the code is not a function")
	}
	e.fns[code] = f
	return f, nil
}

// maxNesting bounds the brackets of a source text: the parser is recursive, and
// slow where they do not match.
const maxNesting = 1000

// nesting returns how deep the brackets are at most, those in strings included.
func nesting(code string) (deepest int) {
	depth := 0
	for i := range len(code) {
		switch code[i] {
		case '(', '[', '{':
			depth++
			deepest = max(deepest, depth)
		case ')', ']', '}':
			depth = max(depth-1, 0)
		}
	}
	return deepest
}

func isFunction(x ast.Expression) bool {
	switch x.(type) {
	case *ast.FunctionLiteral, *ast.ArrowFunctionLiteral:
		return true
	}
	return false
}

// describe words an error of a script.
func describe(err error) error {
	var deep *goja.StackOverflowError
	if errors.As(err, &deep) {
		return errors.New("RangeError: Maximum call stack size exceeded")
	}
	var ex *goja.Exception
	if errors.As(err, &ex) {
		if s := new(scriptError); asScriptError(ex.Unwrap(), s) {
			return s
		}
		if _, isError := ex.Value().(*goja.Object); isError {
			return errors.New(ex.Error())
		}
		return fmt.Errorf("uncaught exception: %s", ex.Value().String())
	}
	return err
}
