package command

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// Users belong to a project, not to a branch: what these commands say of the
// database of a branch, they say of the branch's project.

// userFlags are those of every command that changes users or roles.
const userFlags = WriteConcern | Audited

var createUserCommand = &Spec{
	Name: "createUser",
	Args: idl.Command("createUser",
		idl.Field{Name: "createUser", Types: idl.String, Required: true},
		idl.Field{Name: "pwd", Types: idl.String},
		idl.Field{Name: "customData", Types: idl.Object},
		idl.Field{Name: "roles", Types: idl.Array, Required: true},
		idl.Field{Name: "digestPassword", Types: idl.Bool},
		idl.Field{Name: "authenticationRestrictions", Types: idl.Array},
		idl.Field{Name: "mechanisms", Types: idl.Array, Elems: idl.String}),
	Flags: userFlags | Secret, Privilege: onProject(auth.CreateUser).and(grantsNeeds), Help: "adds a user", Run: runCreateUser,
}

// users returns the users and roles of the server.
func (rq *Request) users() (*auth.Service, error) {
	if rq.Services.Users == nil {
		return nil, errcode.New(errcode.IllegalOperation, "the server has no storage for users")
	}
	return rq.Services.Users, nil
}

// target is the user or role that the command's first argument names.
func (rq *Request) target() auth.Name {
	return auth.Name{Name: string(firstString(rq)), DB: auth.HomeDB(rq.DB)}
}

func runCreateUser(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	u := &auth.User{Name: rq.target()}
	external := u.Name.DB == "$external"
	switch {
	case u.Name.DB == "local":
		return errcode.New(errcode.BadValue, "Cannot create users in the local database")
	case !rq.Args.Has("pwd") && !external:
		return errcode.New(errcode.BadValue, "Must provide a 'pwd' field for all user documents, except those with '$external' as the user's source db")
	case rq.Args.Has("pwd") && external:
		return errcode.New(errcode.BadValue, "Cannot set the password for users defined on the '$external' database")
	}
	if err := auth.CheckName(u.Name.Name, "User"); err != nil {
		return err
	}
	if err := rq.checkMechanisms(); err != nil {
		return err
	}
	if u.Restrictions, err = rq.restrictions(); err != nil {
		return err
	}
	if u.Roles, err = auth.ParseRoles(rq.Args.Array("roles"), u.Name.DB); err != nil {
		return err
	}
	if err := rq.setPassword(u); err != nil {
		return err
	}
	u.CustomData = slices.Clone(rq.Args.Doc("customData"))
	_, _ = rand.Read(u.ID[:]) // never fails
	u.ID[6], u.ID[8] = u.ID[6]&0x0f|0x40, u.ID[8]&0x3f|0x80
	return s.Change(ctx, func(c *auth.Change) error {
		if err := c.RolesExist(u.Roles); err != nil {
			return err
		}
		if c.HasUser(u.Name) {
			return errcode.New(51003, "User \"%s\" already exists", u.Name)
		}
		return c.PutUser(u)
	})
}

// checkMechanisms checks the list of mechanisms, which may be left out.
func (rq *Request) checkMechanisms() error {
	list := rq.Args.Array("mechanisms")
	if list != nil && bsonx.IsEmpty(list) {
		return errcode.New(errcode.BadValue, "mechanisms field must not be empty")
	}
	for it := bsonx.NewIter(list); it.Next(); {
		if m := string(bsonx.Str(it.Value())); m != auth.MechanismSHA1 && m != auth.MechanismSHA256 {
			return errcode.New(errcode.BadValue, "Unknown auth mechanism '%s'", m)
		}
	}
	return nil
}

// wantsMechanism reports whether a mechanism is among those that the command
// lists; without a list, all are.
func (rq *Request) wantsMechanism(name string) bool {
	list := rq.Args.Array("mechanisms")
	for it := bsonx.NewIter(list); it.Next(); {
		if string(bsonx.Str(it.Value())) == name {
			return true
		}
	}
	return list == nil
}

// setPassword derives the user's credentials from the command's pwd, if it has one.
func (rq *Request) setPassword(u *auth.User) (err error) {
	if !rq.Args.Has("pwd") {
		return nil
	}
	pwd, digest := rq.Args.String("pwd", ""), rq.Args.Bool("digestPassword", true)
	u.SHA1, u.SHA256 = nil, nil
	if pwd == "" {
		return errcode.New(50687, "Password cannot be empty")
	}
	if rq.wantsMechanism(auth.MechanismSHA256) {
		if !digest {
			return errcode.New(errcode.BadValue, "Use of SCRAM-SHA-256 requires undigested passwords")
		}
		if u.SHA256, err = auth.NewCredential(auth.MechanismSHA256, pwd); err != nil {
			return err
		}
	}
	if rq.wantsMechanism(auth.MechanismSHA1) {
		if digest {
			pwd = auth.Digest(u.Name.Name, pwd)
		}
		u.SHA1, err = auth.NewCredential(auth.MechanismSHA1, pwd)
	}
	return err
}

// restrictions returns authenticationRestrictions, nil when there are none.
func (rq *Request) restrictions() (bsonx.Arr, error) {
	list := rq.Args.Array("authenticationRestrictions")
	if list == nil || bsonx.IsEmpty(list) {
		return nil, nil
	}
	return slices.Clone(list), auth.CheckRestrictions(list)
}

var updateUserCommand = &Spec{
	Name: "updateUser",
	Args: idl.Command("updateUser",
		idl.Field{Name: "updateUser", Types: idl.String, Required: true},
		idl.Field{Name: "pwd", Types: idl.String},
		idl.Field{Name: "customData", Types: idl.Object},
		idl.Field{Name: "roles", Types: idl.Array},
		idl.Field{Name: "digestPassword", Types: idl.Bool},
		idl.Field{Name: "authenticationRestrictions", Types: idl.Array},
		idl.Field{Name: "mechanisms", Types: idl.Array, Elems: idl.String}),
	Flags: userFlags | Secret, Privilege: forUsers(updateUserNeeds), Help: "changes a user", Run: runUpdateUser,
}

func runUpdateUser(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	name := rq.target()
	if err := rq.checkMechanisms(); err != nil {
		return err
	}
	if rq.Args.Has("pwd") && name.DB == "$external" {
		return errcode.New(errcode.BadValue, "Cannot set the password for users defined on the '$external' database")
	}
	if !rq.Args.Has("pwd") && !rq.Args.Has("customData") && !rq.Args.Has("roles") && !rq.Args.Has("authenticationRestrictions") && !rq.Args.Has("mechanisms") {
		return errcode.New(errcode.BadValue, "Must specify at least one field to update in updateUser")
	}
	next := auth.User{Name: name} // what the command sets
	if err := rq.setPassword(&next); err != nil {
		return err
	}
	if next.Restrictions, err = rq.restrictions(); err != nil {
		return err
	}
	if next.Roles, err = auth.ParseRoles(rq.Args.Array("roles"), name.DB); err != nil {
		return err
	}
	next.CustomData = slices.Clone(rq.Args.Doc("customData"))
	return s.Change(ctx, func(c *auth.Change) error {
		old, err := c.User(name)
		if err != nil {
			return errcode.New(errcode.UserNotFound, "User %s not found", name)
		}
		u, err := rq.updatedUser(*old, next)
		if err != nil {
			return err
		}
		return c.PutUser(u)
	})
}

// updatedUser takes over from next what the command sets.
func (rq *Request) updatedUser(u, next auth.User) (*auth.User, error) {
	switch {
	case rq.Args.Has("pwd"):
		u.SHA1, u.SHA256 = next.SHA1, next.SHA256
	case rq.Args.Has("mechanisms"):
		for it := bsonx.NewIter(rq.Args.Array("mechanisms")); it.Next(); {
			if !slices.Contains(u.Mechanisms(), string(bsonx.Str(it.Value()))) {
				return nil, errcode.New(errcode.BadValue, "mechanisms field must be a subset of previously set mechanisms")
			}
		}
		if !rq.wantsMechanism(auth.MechanismSHA1) {
			u.SHA1 = nil
		}
		if !rq.wantsMechanism(auth.MechanismSHA256) {
			u.SHA256 = nil
		}
	}
	if rq.Args.Has("customData") {
		u.CustomData = next.CustomData
	}
	if rq.Args.Has("roles") {
		u.Roles = next.Roles
	}
	if rq.Args.Has("authenticationRestrictions") {
		u.Restrictions = next.Restrictions
	}
	return &u, nil
}

var dropUserCommand = &Spec{
	Name: "dropUser", Args: idl.Command("dropUser", idl.Field{Name: "dropUser", Types: idl.String, Required: true}),
	Flags: userFlags, Privilege: onProject(auth.DropUser), Help: "removes a user",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		s, err := rq.users()
		if err != nil {
			return err
		}
		return s.Change(ctx, func(c *auth.Change) error { return c.DropUser(rq.target()) })
	},
}

var dropAllUsersFromDatabaseCommand = &Spec{
	Name: "dropAllUsersFromDatabase", Args: nameOnly("dropAllUsersFromDatabase"),
	Flags: userFlags, Privilege: onProject(auth.DropUser), Help: "removes the users of a project",
	Run: func(ctx context.Context, rq *Request, b *bsonx.Builder) error {
		return rq.dropAll(ctx, b, (*auth.Change).DropUsers)
	},
}

// dropAll runs drop on the request's project and replies with how many there were.
func (rq *Request) dropAll(ctx context.Context, b *bsonx.Builder, drop func(*auth.Change, string) int) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	n := 0
	err = s.Change(ctx, func(c *auth.Change) error {
		n = drop(c, auth.HomeDB(rq.DB))
		return nil
	})
	b.Int32("n", int32(n))
	return err
}

// roleList are the arguments of a command that grants or revokes roles.
func roleList(name string) *idl.Spec {
	return idl.Command(name, idl.Field{Name: name, Types: idl.String, Required: true},
		idl.Field{Name: "roles", Types: idl.Array, Required: true})
}

var grantRolesToUserCommand = &Spec{
	Name: "grantRolesToUser", Args: roleList("grantRolesToUser"), Flags: userFlags, Privilege: forUsers(grantsNeeds), Help: "gives a user roles",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error { return rq.changeUserRoles(ctx, union) },
}

var revokeRolesFromUserCommand = &Spec{
	Name: "revokeRolesFromUser", Args: roleList("revokeRolesFromUser"), Flags: userFlags, Privilege: forUsers(revokesNeeds), Help: "takes roles from a user",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		return rq.changeUserRoles(ctx, without)
	},
}

// listedRoles are the roles that a grant or a revocation names.
func (rq *Request) listedRoles() ([]auth.Name, error) {
	list := rq.Args.Array("roles")
	if bsonx.IsEmpty(list) {
		return nil, errcode.New(errcode.BadValue, "%s command requires a non-empty \"roles\" array", rq.Name)
	}
	return auth.ParseRoles(list, auth.HomeDB(rq.DB))
}

func (rq *Request) changeUserRoles(ctx context.Context, combine func(have, named []auth.Name) []auth.Name) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	named, err := rq.listedRoles()
	if err != nil {
		return err
	}
	return s.Change(ctx, func(c *auth.Change) error {
		old, err := c.User(rq.target())
		if err != nil {
			return err
		}
		if err := c.RolesExist(named); err != nil {
			return err
		}
		u := *old
		u.Roles = combine(u.Roles, named)
		return c.PutUser(&u)
	})
}

func union(have, named []auth.Name) []auth.Name {
	out := slices.Clone(have)
	for _, n := range named {
		if !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func without(have, named []auth.Name) []auth.Name {
	return slices.DeleteFunc(slices.Clone(have), func(n auth.Name) bool { return slices.Contains(named, n) })
}

var invalidateUserCacheCommand = &Spec{
	Name: "invalidateUserCache", Args: nameOnly("invalidateUserCache"), Privilege: onCluster(auth.InvalidateUserCache),
	Help: "makes every connection look its user up again",
	Run: func(_ context.Context, rq *Request, _ *bsonx.Builder) error {
		s, err := rq.users()
		if err == nil {
			s.Invalidate()
		}
		return err
	},
}
