package expr

import (
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Script runs the JavaScript of one command: functions are given as source text,
// and calls are made one after the other. (*script.Session is one.)
type Script interface {
	// Call returns what the function returns.
	Call(code string, this bsonx.Value, args []bsonx.Value) (bsonx.Value, error)
	// Fold calls the function with the state and the elements of each array in
	// turn; its result is the state for the next call.
	Fold(code string, state bsonx.Value, calls []bsonx.Value) (bsonx.Value, error)
	// Emit returns the array of {k, v} that a map function emits for a document.
	Emit(code string, doc bsonx.Value) (bsonx.Value, error)
}

// Script returns the engine of the command. Error: 31264 when JavaScript is off.
func (env *Env) Script() (Script, error) {
	if env.Query.Script == nil {
		return nil, errcode.New(errcode.Code(31264),
			"Cannot run server-side javascript without the javascript engine enabled: start the server with --javascript")
	}
	return env.Query.Script, nil
}

// IsCode reports whether v is a string or JavaScript, and returns its text.
func IsCode(v bsonx.Value) (string, bool) {
	switch v.Type {
	case bsonx.String, bsonx.JavaScript:
		return string(bsonx.Str(v)), true
	case bsonx.JavaScriptWithScope:
		code, _, ok := v.CodeWithScopeOK()
		return code, ok
	}
	return "", false
}

// function is $function, and within mapReduce $_internalJsEmit.
type function struct {
	code string
	args Expr
	emit bool
}

// compileFunction: {body, args, lang}. MongoDB ignores other fields.
func compileFunction(c *call) (Expr, error) {
	if c.sc.shared.Validator {
		return nil, errcode.New(errcode.Code(4660800), "$function cannot be used inside a validator.")
	}
	if c.arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.Code(31260), "$function requires an object as an argument, found: %s", bsonx.TypeName(c.arg.Type))
	}
	body := bsonx.Lookup(c.arg.Data, "body")
	if bsonx.IsMissing(body) {
		return nil, errcode.New(errcode.Code(31261), "The body function must be specified.")
	}
	e, err := Compile(body, c.sc)
	if err != nil {
		return nil, err
	}
	k, ok := e.(*constant)
	if !ok {
		return nil, errcode.New(errcode.Code(31432), "The body function must be a constant expression")
	}
	f := &function{}
	if f.code, ok = IsCode(k.val); !ok || k.val.Type == bsonx.JavaScriptWithScope {
		return nil, errcode.New(errcode.Code(31262), "The body function must evaluate to type string or code")
	}
	args := bsonx.Lookup(c.arg.Data, "args")
	if bsonx.IsMissing(args) {
		return nil, errcode.New(errcode.Code(31263), "The args field must be specified.")
	}
	if f.args, err = Compile(args, c.sc); err != nil {
		return nil, err
	}
	lang := bsonx.Lookup(c.arg.Data, "lang")
	if bsonx.IsMissing(lang) {
		return nil, errcode.New(errcode.Code(31418), "The lang field must be specified.")
	}
	if lang.Type != bsonx.String || string(bsonx.Str(lang)) != "js" {
		return nil, errcode.New(errcode.Code(31419), "Currently the only supported language specifier is 'js'.")
	}
	return f, nil
}

// compileEmit: {eval, this}, the map function of mapReduce.
func compileEmit(c *call) (Expr, error) {
	a, err := c.named(&namedSpec{names: []string{"eval", "this"}, notObject: 31221, unknown: 31222})
	if err != nil {
		return nil, err
	}
	code, ok := IsCode(a[0])
	if !ok {
		return nil, errcode.New(errcode.Code(31222), "The map function must be specified.")
	}
	f := &function{code: code, emit: true}
	if bsonx.IsMissing(a[1]) {
		return nil, errcode.New(errcode.Code(31223), "The 'this' expression must be specified.")
	}
	f.args, err = Compile(a[1], c.sc)
	return f, err
}

// Eval implements Expr.
func (f *function) Eval(env *Env) (bsonx.Value, error) {
	s, err := env.Script()
	if err != nil {
		return bsonx.Value{}, err
	}
	args, err := f.args.Eval(env)
	if err != nil {
		return bsonx.Value{}, err
	}
	if f.emit {
		return s.Emit(f.code, args)
	}
	if args.Type != bsonx.Array {
		return fail(errcode.Code(31266), "The args field must be of type array")
	}
	return s.Call(f.code, bsonx.Value{}, bsonx.Values(nil, args.Data))
}

// custom is $accumulator.
type custom struct {
	init, accumulate, merge, finalize string
	initArgs, args                    Expr
}

// New implements Accumulator.
func (c *custom) New() State { return &customState{custom: c} }

// compileAccumulator: MongoDB manual, "$accumulator". merge is never called: the
// rows of a group that does not fit into memory are kept, not its state.
func compileAccumulator(c *call) (Accumulator, error) {
	if c.arg.Type != bsonx.Object {
		return nil, errcode.New(errcode.Code(4544703), "$accumulator expects an object as an argument; found: %s", bsonx.TypeName(c.arg.Type))
	}
	a := &custom{initArgs: Literal(bsonx.ArrValue(bsonx.Arr(bsonx.EmptyDoc)))}
	code := map[string]*string{"init": &a.init, "accumulate": &a.accumulate, "merge": &a.merge, "finalize": &a.finalize}
	for it := bsonx.NewIter(c.arg.Data); it.Next(); {
		name, v := string(it.Key()), it.Value()
		var err error
		switch {
		case code[name] != nil:
			*code[name], err = c.code(name, v)
		case name == "initArgs":
			a.initArgs, err = Compile(v, c.sc)
		case name == "accumulateArgs":
			a.args, err = Compile(v, c.sc)
		case name == "lang" && v.Type != bsonx.String:
			err = errcode.New(errcode.Code(4544704), "$accumulator lang must be a string; found: %s", bsonx.TypeName(v.Type))
		case name == "lang":
			if string(bsonx.Str(v)) != "js" {
				err = errcode.New(errcode.Code(4544705), "$accumulator only supports lang: 'js'")
			}
		default:
			err = errcode.New(errcode.Code(4544706), "$accumulator got an unexpected field: %s", name)
		}
		if err != nil {
			return nil, err
		}
	}
	for i, name := range []string{"init", "accumulate", "merge"} {
		if *code[name] == "" {
			return nil, errcode.New(errcode.Code(4544707+i), "$accumulator missing required argument '%s'", name)
		}
	}
	if a.args == nil {
		return nil, errcode.New(errcode.Code(4544710), "$accumulator missing required argument 'accumulateArgs'")
	}
	return a, nil
}

// code is a function among the arguments: a constant.
func (c *call) code(name string, v bsonx.Value) (string, error) {
	e, err := Compile(v, c.sc)
	if err != nil {
		return "", err
	}
	k, ok := e.(*constant)
	if !ok {
		return "", errcode.New(errcode.Code(4544701), "$accumulator '%s' must be a constant expression", name)
	}
	code, ok := IsCode(k.val)
	if !ok || k.val.Type == bsonx.JavaScriptWithScope {
		return "", errcode.New(errcode.Code(4544702), "$accumulator '%s' must be a String or Code", name)
	}
	return code, nil
}

// customState gathers the arguments of calls, and makes many calls at once.
type customState struct {
	*custom
	started bool
	state   bsonx.Value
	calls   []bsonx.Value
	bytes   int
}

// Bounds of the calls that are gathered.
const (
	maxPendingCalls = 1000
	maxPendingBytes = 4 << 20
)

// Start calls init with the arguments that the group's _id gives.
func (s *customState) Start(env *Env) error {
	if s.started {
		return nil
	}
	js, err := env.Script()
	if err != nil {
		return err
	}
	args, err := s.initArgs.Eval(env)
	if err != nil {
		return err
	}
	if args.Type != bsonx.Array {
		return errcode.New(errcode.Code(4544711), "$accumulator initArgs must evaluate to an array: %s", render(args))
	}
	s.started = true
	s.state, err = js.Call(s.init, bsonx.Value{}, bsonx.Values(nil, args.Data))
	return err
}

// Add implements State.
func (s *customState) Add(env *Env) error {
	if err := s.Start(env); err != nil {
		return err
	}
	v, err := env.inGroup(s.args)
	if err != nil {
		return err
	}
	if v.Type != bsonx.Array {
		return errcode.New(errcode.Code(4544712), "$accumulator accumulateArgs must evaluate to an array: %s", render(v))
	}
	s.calls = append(s.calls, bsonx.Clone(v))
	if s.bytes += len(v.Data) + 32; len(s.calls) >= maxPendingCalls || s.bytes >= maxPendingBytes {
		return s.flush(env)
	}
	return nil
}

func (s *customState) flush(env *Env) error {
	if len(s.calls) == 0 {
		return nil
	}
	js, err := env.Script()
	if err != nil {
		return err
	}
	s.state, err = js.Fold(s.accumulate, s.state, s.calls)
	s.calls, s.bytes = s.calls[:0], 0
	return err
}

// Result implements State.
func (s *customState) Result(env *Env) (bsonx.Value, error) {
	if err := s.flush(env); err != nil || s.finalize == "" {
		return s.state, err
	}
	js, err := env.Script()
	if err != nil {
		return bsonx.Value{}, err
	}
	return js.Call(s.finalize, bsonx.Value{}, []bsonx.Value{s.state})
}

// Size implements State.
func (s *customState) Size() int { return 128 + len(s.state.Data) + s.bytes }

// reduceState is $_internalJsReduce, the reduce function of mapReduce.
type reduceState struct {
	code  string
	data  Expr
	key   bsonx.Value
	vals  []bsonx.Value
	bytes int
}

type jsReduce struct {
	code string
	data Expr
}

// New implements Accumulator.
func (r *jsReduce) New() State { return &reduceState{code: r.code, data: r.data} }

// compileReduceFunction: {eval, data}.
func compileReduceFunction(c *call) (Accumulator, error) {
	a, err := c.named(&namedSpec{names: []string{"eval", "data"}, notObject: 31326, unknown: 31243})
	if err != nil {
		return nil, err
	}
	if bsonx.IsMissing(a[0]) {
		return nil, errcode.New(errcode.Code(31245), "%s requires 'eval' argument", c.name)
	}
	code, ok := IsCode(a[0])
	if !ok {
		return nil, errcode.New(errcode.Code(31244), "%s requires the 'eval' argument to be of type string, or code but found %s", c.name, bsonx.TypeName(a[0].Type))
	}
	if bsonx.IsMissing(a[1]) {
		return nil, errcode.New(errcode.Code(31349), "%s requires 'data' argument", c.name)
	}
	e, err := Compile(a[1], c.sc)
	return &jsReduce{code, e}, err
}

// maxReduced is how large the values of one call of reduce may be, in bytes.
const maxReduced = bsonx.MaxDocSize

// Add implements State.
func (s *reduceState) Add(env *Env) error {
	d, err := env.inGroup(s.data)
	if err != nil || bsonx.IsMissing(d) {
		return err
	}
	if d.Type != bsonx.Object {
		return errcode.New(errcode.Code(31242), "$_internalJsReduce requires a document argument, but found %s", bsonx.TypeName(d.Type))
	}
	k, v := bsonx.Lookup(d.Data, "k"), bsonx.Lookup(d.Data, "v")
	if bsonx.IsMissing(k) || bsonx.IsMissing(v) {
		return errcode.New(errcode.Code(31251), "$_internalJsReduce requires the 'data' argument to have a 'k' and 'v' field")
	}
	if len(s.vals) == 0 {
		s.key = bsonx.Clone(k)
	}
	if s.bytes+len(v.Data) > maxReduced {
		if err := s.reduce(env); err != nil {
			return err
		}
		if s.bytes+len(v.Data) > maxReduced {
			return errcode.New(errcode.Code(31392), "Value too large to reduce")
		}
	}
	s.vals = append(s.vals, bsonx.Clone(v))
	s.bytes += len(v.Data) + 16
	return nil
}

// reduce makes one value of all. One value alone stays as it is.
func (s *reduceState) reduce(env *Env) error {
	if len(s.vals) < 2 {
		return nil
	}
	js, err := env.Script()
	if err != nil {
		return err
	}
	v, err := js.Call(s.code, bsonx.Value{}, []bsonx.Value{s.key, bsonx.ArrValue(bsonx.AppendArray(nil, s.vals))})
	s.vals, s.bytes = append(s.vals[:0], v), len(v.Data)+16
	return err
}

// Result implements State.
func (s *reduceState) Result(env *Env) (bsonx.Value, error) {
	if err := s.reduce(env); err != nil || len(s.vals) == 0 {
		return bsonx.Value{}, err
	}
	return s.vals[0], nil
}

// Size implements State.
func (s *reduceState) Size() int { return 96 + s.bytes }
