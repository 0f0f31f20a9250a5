package command

import (
	"context"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
	"github.com/argon-db/argon/internal/query/stage"
)

// param is a server parameter: its default value and when it can be set.
type param struct {
	name             string
	value            bsonx.Value
	runtime, startup bool
}

// Params are the server's parameters (getParameter, setParameter). Values are
// kept in memory. Safe for concurrent use.
type Params struct {
	mu     sync.RWMutex
	rows   []param      // sorted by name
	slowMS atomic.Int64 // "slowms", which every command looks at
}

// NewParams returns the parameters with their defaults.
func NewParams() *Params {
	rows := defaultParams()
	slices.SortFunc(rows, func(a, b param) int {
		switch {
		case a.name < b.name:
			return -1
		case a.name > b.name:
			return 1
		}
		return 0
	})
	p := &Params{rows: rows}
	p.slowMS.Store(p.Int64("slowms"))
	return p
}

func str(s string) bsonx.Value { return bsonx.StringValue(s) }
func num(n int32) bsonx.Value  { return bsonx.Int32Value(n) }
func long(n int64) bsonx.Value { return bsonx.Int64Value(n) }
func yesNo(v bool) bsonx.Value { return bsonx.BoolValue(v) }
func fcv(version string) bsonx.Value {
	b := bsonx.NewDoc(nil)
	b.String("version", version)
	return bsonx.DocValue(b.Done())
}

func strs(list ...string) bsonx.Value {
	b := bsonx.NewDoc(nil)
	for i, s := range list {
		b.String(bsonx.Index(i), s)
	}
	return bsonx.ArrValue(bsonx.Arr(b.Done()))
}

// defaultParams are the parameters that tools and drivers ask for, with
// MongoDB's defaults.
func defaultParams() []param {
	both, atStart, never := [2]bool{true, true}, [2]bool{false, true}, [2]bool{}
	rows := []struct {
		name string
		v    bsonx.Value
		set  [2]bool
	}{
		{"KeysRotationIntervalSec", num(7776000), atStart},
		{"ShardingTaskExecutorPoolReplicaSetMatching", str("automatic"), both},
		{"acceptApiVersion2", yesNo(false), atStart},
		{"allowDiskUseByDefault", yesNo(true), both},
		{"authSchemaVersion", num(5), never},
		{"authenticationMechanisms", strs("SCRAM-SHA-256", "SCRAM-SHA-1"), atStart},
		{"clusterAuthMode", str("undefined"), both},
		{"cursorTimeoutMillis", long(600_000), both},
		{"diagnosticDataCollectionEnabled", yesNo(true), both},
		{"enableLocalhostAuthBypass", yesNo(true), atStart},
		{"enableTestCommands", yesNo(false), atStart},
		{"featureCompatibilityVersion", fcv("8.2"), never},
		{"indexMaxNumGeneratedKeysPerDocument", num(100_000), atStart},
		{"internalDocumentSourceGroupMaxMemoryBytes", long(100 << 20), both},
		{"internalDocumentSourceSetWindowFieldsMaxMemoryBytes", long(100 << 20), both},
		{"internalQueryFacetBufferSizeBytes", num(100 << 20), both},
		{"internalQueryFrameworkControl", str("trySbeRestricted"), both},
		{"internalQueryMaxAddToSetBytes", num(100 << 20), both},
		{"internalQueryMaxBlockingSortMemoryUsageBytes", num(100 << 20), both},
		{"internalQueryMaxPushBytes", num(100 << 20), both},
		{"internalQueryPlannerMaxIndexedSolutions", num(64), both},
		{"journalCommitInterval", num(100), both},
		{"localLogicalSessionTimeoutMinutes", num(30), atStart},
		{"logLevel", num(0), both},
		{"logicalSessionRefreshMillis", num(300_000), atStart},
		{"maxIndexBuildMemoryUsageMegabytes", num(200), both},
		{"maxSessions", num(1_000_000), atStart},
		{"maxTransactionLockRequestTimeoutMillis", num(5), both},
		{"minSnapshotHistoryWindowInSeconds", num(300), both},
		{"notablescan", yesNo(false), both},
		{"opensslCipherConfig", str(""), atStart},
		{"quiet", yesNo(false), both},
		{"requireApiVersion", yesNo(false), both},
		{"saslHostName", str(""), atStart},
		{"scramIterationCount", num(10_000), both},
		{"scramSHA256IterationCount", num(15_000), both},
		{"slowms", num(100), both},
		{"syncdelay", bsonx.DoubleValue(60), both},
		{"tlsMode", str("disabled"), both},
		{"traceExceptions", yesNo(false), both},
		{"transactionLifetimeLimitSeconds", num(60), both},
		{"ttlMonitorEnabled", yesNo(true), both},
		{"ttlMonitorSleepSecs", num(60), both},
	}
	out := make([]param, len(rows))
	for i, r := range rows {
		out[i] = param{r.name, r.v, r.set[0], r.set[1]}
	}
	return out
}

// Get returns a parameter's value, missing when there is none of that name.
func (p *Params) Get(name string) bsonx.Value {
	p.mu.RLock()
	defer p.mu.RUnlock()
	if i := p.find(name); i >= 0 {
		return p.rows[i].value
	}
	return bsonx.Value{}
}

// Int64 returns a numeric parameter.
func (p *Params) Int64(name string) int64 { return idl.ToInt64(p.Get(name)) }

// Bool returns a boolean parameter.
func (p *Params) Bool(name string) bool { return bsonx.Truthy(p.Get(name)) }

// memory is what blocking stages may hold.
func (p *Params) memory(allowDisk bool) stage.Memory {
	return stage.Memory{AllowDiskUse: allowDisk, TempDir: os.TempDir(),
		MaxBytes: p.Int64("internalDocumentSourceGroupMaxMemoryBytes"),
		Sort:     p.Int64("internalQueryMaxBlockingSortMemoryUsageBytes"),
		Window:   p.Int64("internalDocumentSourceSetWindowFieldsMaxMemoryBytes")}
}

func (p *Params) find(name string) int {
	i, ok := slices.BinarySearchFunc(p.rows, name, func(r param, n string) int {
		switch {
		case r.name < n:
			return -1
		case r.name > n:
			return 1
		}
		return 0
	})
	if !ok {
		return -1
	}
	return i
}

// set changes a parameter and returns its old value.
func (p *Params) set(name string, v bsonx.Value) (was bsonx.Value, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(name)
	if i < 0 {
		return was, errcode.New(errcode.InvalidOptions, "attempted to set unrecognized parameter [%s], use help:true to see options ", name)
	}
	r := &p.rows[i]
	if !r.runtime {
		return was, errcode.New(errcode.IllegalOperation, "not allowed to change [%s] at runtime", name)
	}
	was = r.value
	if v, err = convertParam(name, was.Type, v); err == nil {
		r.value = v
		if name == "slowms" {
			p.slowMS.Store(idl.ToInt64(v))
		}
	}
	return was, err
}

// SetAtStart sets a parameter from text, before the server runs; one that can be
// set at start need not be changeable later.
func (p *Params) SetAtStart(name, text string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := p.find(name)
	if i < 0 || !p.rows[i].startup {
		return errcode.New(errcode.InvalidOptions, "no parameter %s can be set at start", name)
	}
	r := &p.rows[i]
	v := str(text)
	if n, err := strconv.ParseInt(text, 10, 64); err == nil {
		v = long(n)
	} else if yes, err := strconv.ParseBool(text); err == nil {
		v = yesNo(yes)
	}
	if r.value.Type == bsonx.Array {
		return errcode.New(errcode.InvalidOptions, "parameter %s is a list and cannot be set at start", name)
	}
	v, err := convertParam(name, r.value.Type, v)
	if err == nil {
		r.value = v
		p.slowMS.Store(idl.ToInt64(p.rows[p.find("slowms")].value))
	}
	return err
}

// convertParam makes v a value of the parameter's own type.
func convertParam(name string, want bsonx.Type, v bsonx.Value) (bsonx.Value, error) {
	bad := errcode.New(errcode.BadValue, "Failed to set parameter %s: a value of type %s cannot be a %s", name, bsonx.TypeName(v.Type), bsonx.TypeName(want))
	switch want {
	case bsonx.Bool:
		if v.Type != bsonx.Bool && !bsonx.IsNumber(v) {
			return v, bad
		}
		return yesNo(bsonx.Truthy(v)), nil
	case bsonx.Int32, bsonx.Int64, bsonx.Double:
		if !bsonx.IsNumber(v) {
			return v, bad
		}
		n := idl.ToInt64(v)
		switch {
		case n < 0:
			return v, errcode.New(errcode.BadValue, "Invalid value for parameter %s: %d is not greater than or equal to 0", name, n)
		case want == bsonx.Int32:
			return num(int32(min(n, 1<<31-1))), nil
		case want == bsonx.Int64:
			return long(n), nil
		}
		return bsonx.DoubleValue(float64(n)), nil
	}
	if v.Type != want {
		return v, bad
	}
	return bsonx.Clone(v), nil
}

var getParameterCommand = &Spec{
	Name: "getParameter", Args: nameOnly("getParameter").Lenient(), Flags: AdminOnly, Privilege: onCluster(auth.GetParameter), Help: "values of server parameters", Run: runGetParameter,
}

var getParameterOptions = idl.New("getParameter",
	idl.Field{Name: "showDetails", Types: idl.SafeBool},
	idl.Field{Name: "allParameters", Types: idl.SafeBool},
	idl.Field{Name: "setAt", Types: idl.String, Enum: []string{"startup", "runtime"}},
)

func runGetParameter(_ context.Context, rq *Request, b *bsonx.Builder) error {
	var a idl.Args
	opts := bsonx.EmptyDoc
	if v := rq.Args.At(0); v.Type == bsonx.Object {
		opts = v.Data
	}
	if err := getParameterOptions.Decode(opts, &a); err != nil {
		return err
	}
	name := rq.Args.At(0)
	all := a.Bool("allParameters", false) || name.Type == bsonx.String && string(bsonx.Str(name)) == "*"
	details, setAt := a.Bool("showDetails", false), a.String("setAt", "")
	p := rq.Services.Params
	p.mu.RLock()
	defer p.mu.RUnlock()
	found := 0
	for i := range p.rows {
		r := &p.rows[i]
		if !all && bsonx.Lookup(rq.Body, r.name).Type == bsonx.Missing ||
			setAt == "startup" && !r.startup || setAt == "runtime" && !r.runtime {
			continue
		}
		found++
		if !details {
			b.Value(r.name, r.value)
			continue
		}
		at := b.OpenDoc(r.name)
		b.Value("value", r.value)
		b.Bool("settableAtRuntime", r.runtime)
		b.Bool("settableAtStartup", r.startup)
		b.Close(at)
	}
	if found == 0 && !all {
		return errcode.New(errcode.InvalidOptions, "no option found to get")
	}
	return nil
}

var setParameterCommand = &Spec{
	Name: "setParameter", Args: nameOnly("setParameter").Lenient(), Flags: AdminOnly | Audited, Privilege: onCluster(auth.SetParameter), Help: "changes a server parameter", Run: runSetParameter,
}

func runSetParameter(_ context.Context, rq *Request, b *bsonx.Builder) error {
	n := 0
	for it := bsonx.NewIter(rq.Body); it.Next(); {
		name := string(it.Key())
		if name == "setParameter" || idl.IsGeneric(name) {
			continue
		}
		was, err := rq.Services.Params.set(name, it.Value())
		if err != nil {
			return err
		}
		if n++; n == 1 {
			b.Value("was", was)
		}
	}
	if n == 0 {
		return errcode.New(errcode.InvalidOptions, "no option found to set, use help:true to see options ")
	}
	return nil
}
