package command

import (
	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/query/exec"
)

// Privilege is what a user needs to run a command. Every row of the table has
// one; it is made by the functions below.
type Privilege struct {
	on      scope
	actions auth.Set
	// check adds what depends on the arguments; nil for nothing.
	check func(rq *Request, n *needs) error
}

type scope uint8

const (
	undeclared scope = iota
	scopePublic
	scopeUser
	scopeDatabase
	scopeCollection
	scopeProject
	scopeCluster
)

// forAnyone lets a command run before authentication.
func forAnyone() Privilege { return Privilege{on: scopePublic} }

// forUsers lets any authenticated user run a command. check, if given, adds what
// depends on the arguments.
func forUsers(check ...func(rq *Request, n *needs) error) Privilege {
	p := Privilege{on: scopeUser}
	if len(check) > 0 {
		p.check = check[0]
	}
	return p
}

// onDatabase asks for actions on the command's database.
func onDatabase(actions ...auth.Action) Privilege {
	return Privilege{on: scopeDatabase, actions: auth.Of(actions...)}
}

// onCollection asks for actions on the collection that the first argument names.
func onCollection(actions ...auth.Action) Privilege {
	return Privilege{on: scopeCollection, actions: auth.Of(actions...)}
}

// onProject asks for actions on the project with all its branches.
func onProject(actions ...auth.Action) Privilege {
	return Privilege{on: scopeProject, actions: auth.Of(actions...)}
}

// onCluster asks for actions on the server.
func onCluster(actions ...auth.Action) Privilege {
	return Privilege{on: scopeCluster, actions: auth.Of(actions...)}
}

// onBranch asks for actions on the branch of the project that the first argument
// names.
func onBranch(actions ...auth.Action) Privilege {
	return forUsers(func(rq *Request, n *needs) error {
		n.branch(string(firstString(rq)), actions...)
		return nil
	})
}

// and adds a check to a privilege.
func (p Privilege) and(more func(rq *Request, n *needs) error) Privilege {
	first := p.check
	p.check = func(rq *Request, n *needs) error {
		if first != nil {
			if err := first(rq, n); err != nil {
				return err
			}
		}
		return more(rq, n)
	}
	return p
}

// Declared reports whether the privilege was made by one of the functions, and
// Open whether it lets a command run before authentication.
func (p Privilege) Declared() bool { return p.on != undeclared }

// Open reports whether a command may run before authentication.
func (p Privilege) Open() bool { return p.on == scopePublic }

// OfAnyUser reports whether every authenticated user may run some form of the
// command.
func (p Privilege) OfAnyUser() bool { return p.on == scopePublic || p.on == scopeUser }

// needs gathers what a command asks for.
type needs struct {
	rq   *Request
	list []need
}

type need struct {
	actions auth.Set
	on      auth.Target
}

func (n *needs) add(on auth.Target, actions ...auth.Action) {
	n.list = append(n.list, need{auth.Of(actions...), on})
}

// collection asks for actions on a collection of a database.
func (n *needs) collection(db, coll string, actions ...auth.Action) {
	n.add(auth.CollectionTarget(db, coll), actions...)
}

// branch asks for actions on a branch of the request's project.
func (n *needs) branch(name string, actions ...auth.Action) {
	n.add(auth.BranchTarget(n.rq.DB, name), actions...)
}

// point asks for find on the branch that an argument's point is on, when it is a
// tag: a tag may be one of another branch than the command is about.
func (n *needs) point(db string, v bsonx.Value) {
	if v.Type == bsonx.String {
		if on, ok := auth.TagTarget(db, string(bsonx.Str(v))); ok {
			n.add(on, auth.Find)
		}
	}
}

func (n *needs) cluster(actions ...auth.Action) { n.add(auth.ClusterTarget(), actions...) }

// firstString is the command's first argument when it is a string.
func firstString(rq *Request) []byte {
	if v := rq.Args.At(0); v.Type == bsonx.String || v.Type == bsonx.Symbol {
		return bsonx.Str(v)
	}
	return nil
}

// of adds what the request's own row asks for.
func (n *needs) of(rq *Request) error {
	p := &rq.Spec.Privilege
	switch p.on {
	case undeclared:
		return errcode.New(errcode.Unauthorized, "command %s declares no privilege", rq.Name)
	case scopeDatabase:
		n.list = append(n.list, need{p.actions, auth.DatabaseTarget(rq.DB)})
	case scopeCollection:
		if name := firstString(rq); rq.coll != string(name) { // mostly the same as before: no new string
			rq.coll = string(name)
		}
		n.list = append(n.list, need{p.actions, auth.CollectionTarget(rq.DB, rq.coll)})
	case scopeProject:
		n.list = append(n.list, need{p.actions, auth.ProjectTarget(rq.DB)})
	case scopeCluster:
		n.list = append(n.list, need{p.actions, auth.ClusterTarget()})
	}
	if p.check == nil {
		return nil
	}
	return p.check(rq, n)
}

// authenticated checks that the connection may run the command at all, before its
// arguments are looked at. Error: Unauthorized.
func (rq *Request) authenticated() error {
	rq.refreshUser()
	if !rq.Services.AuthRequired || rq.Spec.Privilege.Open() || rq.Conn.Auth.principal != nil || rq.localException() {
		return nil
	}
	return errcode.New(errcode.Unauthorized, "Command %s requires authentication", rq.Name)
}

// localException lets a client on the same machine make the first user or role
// on admin, while there is none.
func (rq *Request) localException() bool {
	return rq.Conn.Local && (rq.Name == "createUser" || rq.Name == "createRole") && rq.DB == "admin" && rq.Services.Users.Empty()
}

// authorized checks that the user may run the command with these arguments.
// Error: Unauthorized.
func (rq *Request) authorized() error {
	if !rq.Services.AuthRequired || rq.Spec.Privilege.Open() || rq.localException() {
		return nil
	}
	n := &rq.needed
	n.rq = rq
	if err := n.of(rq); err != nil {
		return err
	}
	if !rq.holdsAll(n.list) {
		return rq.unauthorized()
	}
	return nil
}

func (rq *Request) holdsAll(list []need) bool {
	for i := range list {
		if !rq.holds(list[i].actions, list[i].on) {
			return false
		}
	}
	return true
}

func (rq *Request) unauthorized() *errcode.Error {
	return errcode.New(errcode.Unauthorized, "not authorized on %s to execute command %s", rq.DB, rq.shownCommand())
}

// may reports whether the user holds actions on a target; without access control
// everyone does.
func (rq *Request) may(on auth.Target, actions ...auth.Action) bool {
	return !rq.Services.AuthRequired || rq.holds(auth.Of(actions...), on)
}

// writes are the actions that a protected branch takes only from who holds
// writeProtectedBranch.
func writes() auth.Set {
	return auth.Of(auth.Insert, auth.Update, auth.Remove, auth.CreateCollection, auth.DropCollection, auth.DropDatabase, auth.CreateIndex,
		auth.DropIndex, auth.CollMod, auth.ConvertToCapped, auth.RenameCollectionSameDB, auth.RenameCollection, auth.ReIndex,
		auth.MergeBranch, auth.RevertCommits, auth.RestoreBranch)
}

func (rq *Request) holds(actions auth.Set, on auth.Target) bool {
	p, b := rq.Conn.Auth.principal, rq.Services.Branches
	if p == nil {
		return false
	}
	def := rq.Services.defaultBranch
	if on.Tag != "" && b != nil {
		if name, ok := b.TagBranch(on.Project, on.Tag); ok {
			on.Branch = name
		}
	}
	if !p.May(actions, on, def) {
		return false
	}
	if b == nil || on.Project == "" || !actions.Intersects(rq.Services.writes) {
		return true
	}
	if _, protected := b.Peek(on.Project, on.Branch); !protected {
		return true
	}
	on.Collection = ""
	return p.May(auth.Of(auth.WriteProtectedBranch), on, def)
}

// mayWithin reports whether the user holds one of the actions somewhere in a
// project; without access control everyone does.
func (rq *Request) mayWithin(project string, actions auth.Set) bool {
	p := rq.Conn.Auth.principal
	return !rq.Services.AuthRequired || p != nil && p.MayWithin(project, actions)
}

// defaultBranchOf tells a project's default branch.
func (s *Services) defaultBranchOf(project string) string {
	if s.Branches == nil {
		return branch.DefaultBranch
	}
	name, _ := s.Branches.Peek(project, "")
	return name
}

// maxShown bounds the command in a refusal's message, in bytes.
const maxShown = 1024

// shownCommand is the command as messages and lists show it.
func (rq *Request) shownCommand() string {
	s := exec.Format(bsonx.DocValue(rq.shownBody()))
	if len(s) > maxShown {
		s = s[:maxShown] + "…"
	}
	return s
}

// shownBody is the command without secrets.
func (rq *Request) shownBody() bsonx.Doc {
	if rq.Spec.Flags&Secret == 0 {
		return rq.Body
	}
	b := bsonx.NewDoc(nil)
	for it := bsonx.NewIter(rq.Body); it.Next(); {
		switch k := string(it.Key()); k {
		case "pwd", "payload", "speculativeAuthenticate", "key", "maskSecret":
			b.String(k, "xxx")
		default:
			b.Element(it.Element())
		}
	}
	return b.Done()
}
