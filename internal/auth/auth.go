// Package auth is access control: users and their credentials, roles and their
// privileges, the conversations by which a connection proves who it is, and the
// audit log.
//
// A privilege is a set of actions on a resource. A resource names a project, as
// MongoDB names a database; of a project's branches it takes all (`shop`), one
// (`shop~dev`) or those that a pattern fits (`shop~feature-*`). Users belong to
// projects, not to branches: who is defined in `shop` authenticates against
// `shop~dev` too.
package auth

import (
	"slices"
	"strings"
)

// Name is the name of a user or of a role: unique within a database.
type Name struct{ Name, DB string }

// String returns MongoDB's written form, name@db.
func (n Name) String() string { return n.Name + "@" + n.DB }

// HomeDB is the database that users and roles of db belong to: branches and
// points share those of their project.
func HomeDB(db string) string {
	if i := strings.IndexAny(db, "~@"); i > 0 {
		return db[:i]
	}
	return db
}

// Privilege allows actions on a resource.
type Privilege struct {
	Resource Resource
	Actions  Set
}

// merge adds p to list, joining the actions on one resource.
func merge(list []Privilege, p Privilege) []Privilege {
	for i := range list {
		if list[i].Resource == p.Resource {
			list[i].Actions = list[i].Actions.Union(p.Actions)
			return list
		}
	}
	return append(list, p)
}

// remove takes actions away from the privilege on exactly that resource, and the
// privilege itself when none is left.
func remove(list []Privilege, p Privilege) []Privilege {
	out := make([]Privilege, 0, len(list))
	for _, have := range list {
		if have.Resource == p.Resource {
			if have.Actions = have.Actions.Minus(p.Actions); have.Actions.IsEmpty() {
				continue
			}
		}
		out = append(out, have)
	}
	return out
}

// Principal is an authenticated user with what it may do, as of one generation of
// the users and roles. It is immutable.
type Principal struct {
	Name       Name
	ID         [16]byte // of the user, so that a dropped and made again one is another
	Roles      []Name   // all, inherited ones included
	Privileges []Privilege
	generation uint64
}

// May reports whether the principal holds all the actions on a resource that a
// command asks for; different privileges may give different actions. branch tells
// a project's default branch and is only called where it matters.
func (p *Principal) May(actions Set, on Target, defaultBranch func(project string) string) bool {
	for i := range p.Privileges {
		pr := &p.Privileges[i]
		if !pr.Actions.Intersects(actions) || !pr.Resource.covers(on, defaultBranch) {
			continue
		}
		if actions = actions.Minus(pr.Actions); actions.IsEmpty() {
			return true
		}
	}
	return actions.IsEmpty()
}

// MaySome reports whether the principal holds any privilege within a database.
func (p *Principal) MaySome(db string, defaultBranch func(project string) string) bool {
	on := DatabaseTarget(db)
	for i := range p.Privileges {
		r := &p.Privileges[i].Resource
		if r.Kind == AnyResource || r.Kind == Collections && r.coversDB(on, defaultBranch) {
			return true
		}
	}
	return false
}

// MaySee reports whether the principal holds any privilege on a target.
func (p *Principal) MaySee(on Target, defaultBranch func(project string) string) bool {
	for i := range p.Privileges {
		if p.Privileges[i].Resource.covers(on, defaultBranch) {
			return true
		}
	}
	return false
}

// MayWithin reports whether the principal holds one of the actions somewhere in a
// project: on any of its branches or collections.
func (p *Principal) MayWithin(project string, actions Set) bool {
	for i := range p.Privileges {
		r := &p.Privileges[i].Resource
		normal := r.DB == "" && project != "local" && project != "config"
		if p.Privileges[i].Actions.Intersects(actions) && (r.Kind == AnyResource || r.Kind == Collections && (normal || HomeDB(r.DB) == project)) {
			return true
		}
	}
	return false
}

// All is every action.
func All() Set { return all() }

// HasRole reports whether the principal has a role, directly or by inheritance.
func (p *Principal) HasRole(n Name) bool { return slices.Contains(p.Roles, n) }
