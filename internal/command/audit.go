package command

import (
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// auditAuth records an attempt to authenticate.
func (rq *Request) auditAuth(mechanism string, n auth.Name, err error) {
	b := bsonx.NewDoc(nil)
	b.String("user", n.Name)
	b.String("db", n.DB)
	b.String("mechanism", mechanism)
	rq.audit("authenticate", b.Done(), err)
}

// audit records an event of the request's connection.
func (rq *Request) audit(kind string, param bsonx.Doc, err error) {
	if rq.Services.Audit == nil {
		return
	}
	e := auth.Event{Type: kind, Time: rq.Services.Clock.Now(), Connection: rq.Conn.UUID, Local: rq.Conn.LocalAddr, Remote: rq.Conn.Info.Remote,
		App: rq.Conn.Info.AppName, Who: rq.Conn.Auth.principal, Param: param}
	if err != nil {
		e.Result = int32(errcode.As(err).Code)
	}
	rq.Services.Audit.Record(e)
}

// auditCommand records a command that changes the catalog, the branches, users,
// roles or the server, and every refusal, with what came of it.
func (rq *Request) auditCommand(err error) {
	if rq.Services.Audit == nil || rq.Spec == nil {
		return
	}
	switch refused := err != nil && errcode.As(err).Code == errcode.Unauthorized; {
	case refused:
		rq.audit("authCheck", rq.auditParam(), err)
	case rq.Spec.Flags&(DDL|Audited) != 0:
		rq.auditChange(err)
	}
}

// auditChange records a command with MongoDB's name and parameters of its event,
// where there is one.
func (rq *Request) auditChange(err error) {
	if kind, ok := auditKinds[rq.Name]; ok {
		for _, param := range kind.params(rq) {
			rq.audit(kind.name, param, err)
		}
		return
	}
	rq.audit(rq.Name, rq.auditParam(), err)
}

// auditKind is MongoDB's event of a command: its name and the parameters of each
// event that the command is.
type auditKind struct {
	name   string
	params func(rq *Request) []bsonx.Doc
}

var auditKinds = map[string]auditKind{
	"create":                   {"createCollection", auditNS},
	"drop":                     {"dropCollection", auditNS},
	"dropDatabase":             {"dropDatabase", auditNS},
	"renameCollection":         {"renameCollection", auditRename},
	"createIndexes":            {"createIndex", auditIndexes},
	"dropIndexes":              {"dropIndex", auditDroppedIndexes},
	"createUser":               {"createUser", auditNamed("user", "customData", "roles", "authenticationRestrictions")},
	"updateUser":               {"updateUser", auditNamed("user", "customData", "roles", "authenticationRestrictions")},
	"dropUser":                 {"dropUser", auditNamed("user")},
	"dropAllUsersFromDatabase": {"dropAllUsersFromDatabase", auditNamed("")},
	"grantRolesToUser":         {"grantRolesToUser", auditNamed("user", "roles")},
	"revokeRolesFromUser":      {"revokeRolesFromUser", auditNamed("user", "roles")},
	"createRole":               {"createRole", auditNamed("role", "roles", "privileges", "authenticationRestrictions")},
	"updateRole":               {"updateRole", auditNamed("role", "roles", "privileges", "authenticationRestrictions")},
	"dropRole":                 {"dropRole", auditNamed("role")},
	"dropAllRolesFromDatabase": {"dropAllRolesFromDatabase", auditNamed("")},
	"grantRolesToRole":         {"grantRolesToRole", auditNamed("role", "roles")},
	"revokeRolesFromRole":      {"revokeRolesFromRole", auditNamed("role", "roles")},
	"grantPrivilegesToRole":    {"grantPrivilegesToRole", auditNamed("role", "privileges")},
	"revokePrivilegesFromRole": {"revokePrivilegesFromRole", auditNamed("role", "privileges")},
}

// auditNamespace is the namespace that a command is about.
func (rq *Request) auditNamespace() string {
	if coll := firstString(rq); len(coll) > 0 {
		return rq.NS(string(coll))
	}
	return rq.DB
}

func auditNS(rq *Request) []bsonx.Doc {
	return []bsonx.Doc{ddoc("ns", str(rq.auditNamespace()))}
}

func auditRename(rq *Request) []bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("old", string(firstString(rq)))
	b.String("new", rq.Args.String("to", ""))
	return []bsonx.Doc{b.Done()}
}

func auditIndexes(rq *Request) []bsonx.Doc {
	var out []bsonx.Doc
	for _, spec := range rq.Docs("indexes") {
		b := bsonx.NewDoc(nil)
		b.String("ns", rq.auditNamespace())
		b.String("indexName", stringOf(spec, "name"))
		b.Doc("indexSpec", spec)
		out = append(out, b.Done())
	}
	return out
}

func auditDroppedIndexes(rq *Request) []bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("ns", rq.auditNamespace())
	b.Value("indexName", rq.Args.Get("index"))
	return []bsonx.Doc{b.Done()}
}

// auditNamed has the user or role that the command names, as its key says, and
// some of the arguments; a password shows as passwordChanged.
func auditNamed(key string, args ...string) func(rq *Request) []bsonx.Doc {
	return func(rq *Request) []bsonx.Doc {
		b := bsonx.NewDoc(nil)
		n := rq.target()
		if key != "" {
			b.String(key, n.Name)
		}
		b.String("db", n.DB)
		if strings.HasPrefix(rq.Name, "update") && key == "user" {
			b.Bool("passwordChanged", rq.Args.Has("pwd"))
		}
		for _, a := range args {
			if v := rq.Args.Find(a); v.Type != bsonx.Missing {
				b.Value(a, v)
			}
		}
		return []bsonx.Doc{b.Done()}
	}
}

// auditParam is the command with its arguments, less what every command has.
func (rq *Request) auditParam() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("command", rq.Name)
	ns := rq.DB
	if v := bsonx.Lookup(rq.Body, rq.Name); v.Type == bsonx.String && rq.Spec.Flags&Audited == 0 {
		ns = rq.NS(string(bsonx.Str(v)))
	}
	b.String("ns", ns)
	at := b.OpenDoc("args")
	for it := bsonx.NewIter(rq.shownBody()); it.Next(); {
		switch string(it.Key()) {
		case "lsid", "$db", "$clusterTime", "$readPreference", "documents", "updates", "deletes":
		default:
			b.Element(it.Element())
		}
	}
	b.Close(at)
	return b.Done()
}
