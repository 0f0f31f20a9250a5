package command

import (
	"context"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

func roleArgs(name string, required bool) *idl.Spec {
	return idl.Command(name, idl.Field{Name: name, Types: idl.String, Required: true},
		idl.Field{Name: "privileges", Types: idl.Array, Elems: idl.Object, Required: required},
		idl.Field{Name: "roles", Types: idl.Array, Required: required},
		idl.Field{Name: "authenticationRestrictions", Types: idl.Array})
}

var createRoleCommand = &Spec{
	Name: "createRole", Args: roleArgs("createRole", true), Flags: userFlags, Privilege: onProject(auth.CreateRole).and(grantsNeeds), Help: "adds a role", Run: runCreateRole,
}

func runCreateRole(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	r := &auth.Role{Name: rq.target()}
	if err := auth.CheckName(r.Name.Name, "Role"); err != nil {
		return err
	}
	switch {
	case r.Name.DB == "local" || r.Name.DB == "$external":
		return errcode.New(errcode.BadValue, "Cannot create roles in the %s database", r.Name.DB)
	case auth.IsBuiltin(r.Name):
		return errcode.New(errcode.BadValue, "Cannot create roles with the same name as a built-in role")
	}
	if err := rq.setRole(r); err != nil {
		return err
	}
	return s.Change(ctx, func(c *auth.Change) error {
		if c.HasRole(r.Name) {
			return errcode.New(51002, "Role \"%s\" already exists", r.Name)
		}
		return c.PutRole(r)
	})
}

// setRole takes over what the command says of a role.
func (rq *Request) setRole(r *auth.Role) (err error) {
	if rq.Args.Has("privileges") {
		if r.Privileges, err = auth.ParsePrivileges(rq.Args.Array("privileges")); err != nil {
			return err
		}
	}
	if rq.Args.Has("roles") {
		if r.Roles, err = auth.ParseRoles(rq.Args.Array("roles"), r.Name.DB); err != nil {
			return err
		}
	}
	if rq.Args.Has("authenticationRestrictions") {
		r.Restrictions, err = rq.restrictions()
	}
	return err
}

var updateRoleCommand = &Spec{
	Name: "updateRole", Args: roleArgs("updateRole", false), Flags: userFlags, Privilege: forUsers(updateRoleNeeds), Help: "changes a role", Run: runUpdateRole,
}

func runUpdateRole(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	if !rq.Args.Has("privileges") && !rq.Args.Has("roles") && !rq.Args.Has("authenticationRestrictions") {
		return errcode.New(errcode.BadValue, "Must specify at least one field to update in updateRole")
	}
	name := rq.target()
	if err := rq.setRole(&auth.Role{Name: name}); err != nil {
		return err
	}
	return s.Change(ctx, func(c *auth.Change) error {
		if err := c.RolesExist([]auth.Name{name}); err != nil {
			return err
		}
		old, err := c.Role(name)
		if err != nil {
			return err
		}
		r := *old
		if err := rq.setRole(&r); err != nil {
			return err
		}
		return c.PutRole(&r)
	})
}

// notBuiltin refuses to change a built-in role.
func notBuiltin(n auth.Name) error {
	if auth.IsBuiltin(n) {
		return errcode.New(errcode.BadValue, "%s is a built-in role and cannot be modified", n)
	}
	return nil
}

// changeRole changes the role that the command names.
func (rq *Request) changeRole(ctx context.Context, change func(r *auth.Role)) error {
	s, err := rq.users()
	if err != nil {
		return err
	}
	if err := notBuiltin(rq.target()); err != nil {
		return err
	}
	return s.Change(ctx, func(c *auth.Change) error {
		old, err := c.Role(rq.target())
		if err != nil {
			return err
		}
		r := *old
		change(&r)
		return c.PutRole(&r)
	})
}

func privilegeList(name string) *idl.Spec {
	return idl.Command(name, idl.Field{Name: name, Types: idl.String, Required: true},
		idl.Field{Name: "privileges", Types: idl.Array, Elems: idl.Object, Required: true})
}

var grantPrivilegesToRoleCommand = &Spec{
	Name: "grantPrivilegesToRole", Args: privilegeList("grantPrivilegesToRole"), Flags: userFlags, Privilege: forUsers(grantsNeeds), Help: "gives a role privileges",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		return rq.changePrivileges(ctx, auth.Grant)
	},
}

var revokePrivilegesFromRoleCommand = &Spec{
	Name: "revokePrivilegesFromRole", Args: privilegeList("revokePrivilegesFromRole"), Flags: userFlags, Privilege: forUsers(revokesNeeds), Help: "takes privileges from a role",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		return rq.changePrivileges(ctx, auth.Revoke)
	},
}

func (rq *Request) changePrivileges(ctx context.Context, combine func(have, named []auth.Privilege) []auth.Privilege) error {
	list := rq.Args.Array("privileges")
	if bsonx.IsEmpty(list) {
		return errcode.New(errcode.BadValue, "%s command requires a non-empty \"privileges\" array", rq.Name)
	}
	named, err := auth.ParsePrivileges(list)
	if err != nil {
		return err
	}
	return rq.changeRole(ctx, func(r *auth.Role) { r.Privileges = combine(r.Privileges, named) })
}

var grantRolesToRoleCommand = &Spec{
	Name: "grantRolesToRole", Args: roleList("grantRolesToRole"), Flags: userFlags, Privilege: forUsers(grantsNeeds), Help: "lets a role inherit others",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error { return rq.changeRoleRoles(ctx, union) },
}

var revokeRolesFromRoleCommand = &Spec{
	Name: "revokeRolesFromRole", Args: roleList("revokeRolesFromRole"), Flags: userFlags, Privilege: forUsers(revokesNeeds), Help: "ends that a role inherits others",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		return rq.changeRoleRoles(ctx, without)
	},
}

func (rq *Request) changeRoleRoles(ctx context.Context, combine func(have, named []auth.Name) []auth.Name) error {
	named, err := rq.listedRoles()
	if err != nil {
		return err
	}
	return rq.changeRole(ctx, func(r *auth.Role) { r.Roles = combine(r.Roles, named) })
}

var dropRoleCommand = &Spec{
	Name: "dropRole", Args: idl.Command("dropRole", idl.Field{Name: "dropRole", Types: idl.String, Required: true}),
	Flags: userFlags, Privilege: onProject(auth.DropRole), Help: "removes a role and takes it from whoever has it",
	Run: func(ctx context.Context, rq *Request, _ *bsonx.Builder) error {
		s, err := rq.users()
		if err != nil {
			return err
		}
		n := rq.target()
		if err := notBuiltin(n); err != nil {
			return err
		}
		return s.Change(ctx, func(c *auth.Change) error {
			if err := c.RolesExist([]auth.Name{n}); err != nil {
				return err
			}
			return c.DropRole(n)
		})
	},
}

var dropAllRolesFromDatabaseCommand = &Spec{
	Name: "dropAllRolesFromDatabase", Args: nameOnly("dropAllRolesFromDatabase"),
	Flags: userFlags, Privilege: onProject(auth.DropRole), Help: "removes the roles of a project",
	Run: func(ctx context.Context, rq *Request, b *bsonx.Builder) error {
		return rq.dropAll(ctx, b, (*auth.Change).DropRoles)
	},
}
