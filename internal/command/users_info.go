package command

import (
	"cmp"
	"context"
	"slices"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

var usersInfoCommand = &Spec{
	Name: "usersInfo",
	Args: idl.Command("usersInfo",
		idl.Field{Name: "usersInfo", Types: idl.Any, Required: true},
		idl.Field{Name: "showPrivileges", Types: idl.Bool},
		idl.Field{Name: "showAuthenticationRestrictions", Types: idl.Bool},
		idl.Field{Name: "showCredentials", Types: idl.Bool},
		idl.Field{Name: "showCustomData", Types: idl.Bool},
		idl.Field{Name: "filter", Types: idl.Object}),
	Privilege: forUsers(usersInfoNeeds), Help: "lists users", Run: runUsersInfo,
}

// infoArg is what usersInfo and rolesInfo are about: all of the database, all of
// every database, or those that are named.
type infoArg struct {
	all, everywhere bool
	names           []auth.Name
}

func (rq *Request) infoArg(key string) (infoArg, error) {
	v, db := rq.Args.At(0), auth.HomeDB(rq.DB)
	switch {
	case bsonx.IsNumber(v):
		if idl.ToInt64(v) == 1 {
			return infoArg{all: true}, nil
		}
	case v.Type == bsonx.Object && key == "user" && bsonx.Lookup(v.Data, "forAllDBs").Type != bsonx.Missing:
		if bsonx.Len(v.Data) == 1 && bsonx.Truthy(bsonx.Lookup(v.Data, "forAllDBs")) {
			return infoArg{all: true, everywhere: true}, nil
		}
	case v.Type == bsonx.Array:
		arg := infoArg{names: []auth.Name{}}
		for it := bsonx.NewIter(v.Data); it.Next(); {
			n, err := auth.ParseName(it.Value(), db, key)
			if err != nil {
				return arg, err
			}
			arg.names = append(arg.names, n)
		}
		return arg, nil
	case v.Type == bsonx.String || v.Type == bsonx.Object:
		n, err := auth.ParseName(v, db, key)
		return infoArg{names: []auth.Name{n}}, err
	}
	return infoArg{}, errcode.New(errcode.BadValue, "%s takes a name, a document of a name and its database, an array of these, or 1 for all of the database", rq.Name)
}

func runUsersInfo(ctx context.Context, rq *Request, b *bsonx.Builder) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	arg, err := rq.infoArg("user")
	if err != nil {
		return err
	}
	show := userDetails{privileges: rq.Args.Bool("showPrivileges", false), restrictions: rq.Args.Bool("showAuthenticationRestrictions", false),
		credentials: rq.Args.Bool("showCredentials", false), customData: rq.Args.Bool("showCustomData", true)}
	filter := rq.Args.Doc("filter")
	if (show.privileges || show.restrictions) && (filter != nil || arg.all) {
		return errcode.New(errcode.IllegalOperation, "Privilege or restriction details require exact-match usersInfo queries")
	}
	found := s.Users(func(u *auth.User) bool {
		return arg.everywhere || arg.all && u.Name.DB == auth.HomeDB(rq.DB) || slices.Contains(arg.names, u.Name)
	})
	slices.SortFunc(found, func(a, b *auth.User) int {
		return cmp.Or(cmp.Compare(a.Name.Name, b.Name.Name), cmp.Compare(a.Name.DB, b.Name.DB))
	})
	docs := make([]bsonx.Doc, len(found))
	for i, u := range found {
		docs[i] = show.of(s, u)
	}
	if filter != nil {
		if docs, err = rq.kept(ctx, filter, docs); err != nil {
			return err
		}
	}
	appendDocs(b, "users", docs)
	return nil
}

func appendDocs(b *bsonx.Builder, key string, docs []bsonx.Doc) {
	list := b.OpenArray(key)
	for i, d := range docs {
		b.Doc(bsonx.Index(i), d)
	}
	b.Close(list)
}

// userDetails say what usersInfo shows of a user.
type userDetails struct{ privileges, restrictions, credentials, customData bool }

func (show userDetails) of(s *auth.Service, u *auth.User) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("_id", u.Name.DB+"."+u.Name.Name)
	b.Binary("userId", 4, u.ID[:])
	b.String("user", u.Name.Name)
	b.String("db", u.Name.DB)
	if show.credentials {
		u.AppendCredentials(b, "credentials")
	}
	if show.customData && u.CustomData != nil {
		b.Doc("customData", u.CustomData)
	}
	auth.AppendRoles(b, "roles", u.Roles)
	mechs := b.OpenArray("mechanisms")
	names := u.Mechanisms()
	if u.Name.DB == "$external" {
		names = []string{"external"}
	}
	for i, m := range names {
		b.String(bsonx.Index(i), m)
	}
	b.Close(mechs)
	if !show.privileges && !show.restrictions {
		return b.Done()
	}
	roles, privileges := s.Resolve(u.Roles)
	auth.AppendRoles(b, "inheritedRoles", roles)
	if show.privileges {
		auth.AppendPrivileges(b, "inheritedPrivileges", privileges)
	}
	appendInheritedRestrictions(b, s, roles)
	appendRestrictions(b, u.Restrictions)
	return b.Done()
}

func appendRestrictions(b *bsonx.Builder, list bsonx.Arr) {
	if list == nil {
		list = bsonx.Arr(bsonx.EmptyDoc)
	}
	b.Array("authenticationRestrictions", list)
}

// appendInheritedRestrictions writes the restrictions of each of the roles that
// has some.
func appendInheritedRestrictions(b *bsonx.Builder, s *auth.Service, roles []auth.Name) {
	at := b.OpenArray("inheritedAuthenticationRestrictions")
	n := 0
	for _, r := range roles {
		if role := s.Role(r); role != nil && role.Restrictions != nil {
			b.Array(bsonx.Index(n), role.Restrictions)
			n++
		}
	}
	b.Close(at)
}

var rolesInfoCommand = &Spec{
	Name: "rolesInfo",
	Args: idl.Command("rolesInfo",
		idl.Field{Name: "rolesInfo", Types: idl.Any, Required: true},
		idl.Field{Name: "showPrivileges", Types: idl.Bool | idl.String},
		idl.Field{Name: "showAuthenticationRestrictions", Types: idl.Bool},
		idl.Field{Name: "showBuiltinRoles", Types: idl.Bool}),
	Privilege: forUsers(rolesInfoNeeds), Help: "lists roles", Run: runRolesInfo,
}

func runRolesInfo(_ context.Context, rq *Request, b *bsonx.Builder) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	arg, err := rq.infoArg("role")
	if err != nil {
		return err
	}
	show := rq.Args.Get("showPrivileges")
	fragment := false
	if show.Type == bsonx.String {
		if fragment = string(bsonx.Str(show)) == "asUserFragment"; !fragment {
			return errcode.New(errcode.BadValue, "Unrecognized 'showPrivileges' mode '%s'", bsonx.Str(show))
		}
	}
	if fragment && arg.all {
		return errcode.New(errcode.IllegalOperation, "Cannot get user fragment for all roles in a database")
	}
	names := arg.names
	if arg.all {
		names = s.Roles(auth.HomeDB(rq.DB), rq.Args.Bool("showBuiltinRoles", false))
	}
	restrictions := rq.Args.Bool("showAuthenticationRestrictions", false)
	if fragment {
		at := b.OpenDoc("userFragment")
		roles, privileges := s.Resolve(names)
		auth.AppendRoles(b, "roles", names)
		auth.AppendRoles(b, "inheritedRoles", roles)
		auth.AppendPrivileges(b, "inheritedPrivileges", privileges)
		if restrictions {
			appendInheritedRestrictions(b, s, roles)
		}
		b.Close(at)
		return nil
	}
	var docs []bsonx.Doc
	for _, n := range names {
		if d := roleInfo(s, n, bsonx.Truthy(show), restrictions); d != nil {
			docs = append(docs, d)
		}
	}
	appendDocs(b, "roles", docs)
	return nil
}

// roleInfo is a role as rolesInfo shows it; nil when there is none.
func roleInfo(s *auth.Service, n auth.Name, privileges, restrictions bool) bsonx.Doc {
	r, builtin := s.Role(n), auth.IsBuiltin(n)
	if r == nil {
		if !builtin {
			return nil
		}
		r = &auth.Role{Name: n, Privileges: auth.BuiltinPrivileges(n)}
	}
	b := bsonx.NewDoc(nil)
	b.String("_id", n.DB+"."+n.Name)
	b.String("role", n.Name)
	b.String("db", n.DB)
	if privileges {
		auth.AppendPrivileges(b, "privileges", r.Privileges)
	}
	auth.AppendRoles(b, "roles", r.Roles)
	if restrictions {
		appendRestrictions(b, r.Restrictions)
	}
	roles, inherited := s.Resolve(r.Roles)
	auth.AppendRoles(b, "inheritedRoles", roles)
	if privileges {
		auth.AppendPrivileges(b, "inheritedPrivileges", auth.Grant(r.Privileges, inherited))
	}
	if restrictions {
		appendInheritedRestrictions(b, s, append([]auth.Name{n}, roles...))
	}
	b.Bool("isBuiltin", builtin)
	return b.Done()
}
