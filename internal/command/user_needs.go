package command

import (
	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
)

// What the commands about users and roles ask for: MongoDB's rules, by which who
// may grant on a database may grant any role and any privilege on it.

// grantsNeeds asks for grantRole where the named roles and privileges are.
func grantsNeeds(rq *Request, n *needs) error {
	if rq.restricts() {
		n.add(auth.ProjectTarget(rq.DB), auth.SetAuthenticationRestriction)
	}
	return n.grants(rq, auth.GrantRole)
}

// revokesNeeds asks for revokeRole where the named roles and privileges are.
func revokesNeeds(rq *Request, n *needs) error { return n.grants(rq, auth.RevokeRole) }

func (rq *Request) restricts() bool {
	v := rq.Args.Find("authenticationRestrictions")
	return v.Type == bsonx.Array && !bsonx.IsEmpty(v.Data)
}

func (n *needs) grants(rq *Request, action auth.Action) error {
	asked := len(n.list)
	if v := rq.Args.Find("roles"); v.Type == bsonx.Array {
		roles, err := auth.ParseRoles(v.Data, auth.HomeDB(rq.DB))
		if err != nil {
			return err
		}
		for _, r := range roles {
			n.add(auth.PatternTarget(r.DB), action)
		}
	}
	if v := rq.Args.Find("privileges"); v.Type == bsonx.Array {
		privileges, err := auth.ParsePrivileges(v.Data)
		if err != nil {
			return err
		}
		for _, p := range privileges {
			db := p.Resource.DB
			if p.Resource.Kind == auth.Cluster || p.Resource.Kind == auth.AnyResource || db == "" {
				db = "admin"
			}
			n.add(auth.PatternTarget(db), action)
		}
	}
	if len(n.list) == asked && rq.Spec.Privilege.OfAnyUser() { // an empty list is refused later
		n.add(auth.ProjectTarget(rq.DB), action)
	}
	return nil
}

// updateUserNeeds: one's own password and data need actions of their own.
func updateUserNeeds(rq *Request, n *needs) error {
	on, p := auth.ProjectTarget(rq.DB), rq.Conn.Auth.principal
	own := p != nil && p.Name == rq.target()
	ask := func(ownAction, action auth.Action) {
		if !own || !rq.may(on, ownAction) {
			n.add(on, action)
		}
	}
	pwd := rq.Args.Has("pwd") || rq.Args.Has("mechanisms")
	if pwd {
		ask(auth.ChangeOwnPassword, auth.ChangePassword)
	}
	if rq.Args.Has("customData") || !pwd && !rq.Args.Has("roles") && !rq.restricts() {
		ask(auth.ChangeOwnCustomData, auth.ChangeCustomData)
	}
	if rq.Args.Has("authenticationRestrictions") {
		n.add(on, auth.SetAuthenticationRestriction)
	}
	if !rq.Args.Has("roles") {
		return nil
	}
	// The roles that the user has now are taken away.
	n.add(on, auth.RevokeRole)
	if s := rq.Services.Users; s != nil {
		if u := s.User(rq.target()); u != nil {
			for _, r := range u.Roles {
				n.add(auth.PatternTarget(r.DB), auth.RevokeRole)
			}
		}
	}
	return n.grants(rq, auth.GrantRole)
}

// updateRoleNeeds: what the role had is taken away, from wherever it is.
func updateRoleNeeds(rq *Request, n *needs) error {
	n.add(auth.ProjectTarget(rq.DB), auth.RevokeRole)
	if s := rq.Services.Users; s != nil {
		if r := s.Role(rq.target()); r != nil {
			for _, in := range r.Roles {
				n.add(auth.PatternTarget(in.DB), auth.RevokeRole)
			}
			for _, p := range r.Privileges {
				if p.Resource.Kind == auth.Collections && p.Resource.DB != "" {
					n.add(auth.PatternTarget(p.Resource.DB), auth.RevokeRole)
				}
			}
		}
	}
	return grantsNeeds(rq, n)
}

// usersInfoNeeds: oneself anyone may see.
func usersInfoNeeds(rq *Request, n *needs) error {
	arg, err := rq.infoArg("user")
	switch {
	case err != nil:
		return err
	case arg.everywhere:
		n.add(auth.AnyTarget(), auth.ViewUser)
	case arg.all:
		n.add(auth.ProjectTarget(rq.DB), auth.ViewUser)
	}
	for _, name := range arg.names {
		if p := rq.Conn.Auth.principal; p == nil || p.Name != name {
			n.add(auth.ProjectTarget(name.DB), auth.ViewUser)
		}
	}
	return nil
}

// rolesInfoNeeds: the roles that one has anyone may see.
func rolesInfoNeeds(rq *Request, n *needs) error {
	arg, err := rq.infoArg("role")
	switch {
	case err != nil:
		return err
	case arg.all:
		n.add(auth.ProjectTarget(rq.DB), auth.ViewRole)
	}
	for _, name := range arg.names {
		if p := rq.Conn.Auth.principal; p == nil || !p.HasRole(name) {
			n.add(auth.ProjectTarget(name.DB), auth.ViewRole)
		}
	}
	return nil
}
