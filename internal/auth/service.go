package auth

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/store"
)

// User is a user as it is kept. It is immutable once it is in a Service.
type User struct {
	Name         Name
	ID           [16]byte
	Roles        []Name
	CustomData   bsonx.Doc
	Restrictions bsonx.Arr // authenticationRestrictions; nil for none
	SHA1, SHA256 *Credential
}

// Mechanisms lists the SCRAM mechanisms that the user has credentials for.
func (u *User) Mechanisms() []string {
	var out []string
	if u.SHA1 != nil {
		out = append(out, MechanismSHA1)
	}
	if u.SHA256 != nil {
		out = append(out, MechanismSHA256)
	}
	return out
}

// Role is a role that was made by a command. It is immutable as a User is.
type Role struct {
	Name         Name
	Privileges   []Privilege
	Roles        []Name
	Restrictions bsonx.Arr
}

// state are all users and roles at one time; it never changes.
type state struct {
	users      map[Name]*User
	roles      map[Name]*Role
	generation uint64
}

// Service keeps the users and roles. Safe for concurrent use: readers never wait.
type Service struct {
	store  *store.Store
	secret []byte // of the salts that unknown users seem to have
	mu     sync.Mutex
	now    atomic.Pointer[state]
}

// Control records are documents under these keys.
//
//	auth/u DB NUL USER   a user
//	auth/r DB NUL ROLE   a role
//	auth/s               the secret
const (
	keyUser   = "auth/u"
	keyRole   = "auth/r"
	keySecret = "auth/s"
)

func recordKey(prefix string, n Name) []byte { return []byte(prefix + n.DB + "\x00" + n.Name) }

// Open loads the users and roles of a store.
func Open(ctx context.Context, st *store.Store) (*Service, error) {
	s := &Service{store: st}
	now := &state{users: map[Name]*User{}, roles: map[Name]*Role{}}
	err := st.ScanControl([]byte(keyUser), func(_, v []byte) error {
		u, err := decodeUser(v)
		if err == nil {
			now.users[u.Name] = u
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	err = st.ScanControl([]byte(keyRole), func(_, v []byte) error {
		r, err := decodeRole(v)
		if err == nil {
			now.roles[r.Name] = r
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	s.now.Store(now)
	return s, s.loadSecret(ctx)
}

func (s *Service) loadSecret(ctx context.Context) error {
	v, ok, err := s.store.GetControl([]byte(keySecret))
	if err != nil || ok {
		s.secret = slices.Clone(v)
		return err
	}
	s.secret = make([]byte, 32)
	_, _ = rand.Read(s.secret) // never fails
	b := s.store.NewBatch()
	if err := b.SetControl([]byte(keySecret), s.secret); err != nil {
		b.Close()
		return err
	}
	return s.store.CommitControl(ctx, b)
}

// Empty reports whether there is no user and no role yet.
func (s *Service) Empty() bool {
	now := s.now.Load()
	return len(now.users) == 0 && len(now.roles) == 0
}

// User returns a user; nil when there is none.
func (s *Service) User(n Name) *User { return s.now.Load().users[n] }

// Role returns a role that was made by a command; nil when there is none.
func (s *Service) Role(n Name) *Role { return s.now.Load().roles[n] }

// Users returns the users that f takes, sorted by database and name.
func (s *Service) Users(f func(*User) bool) []*User {
	var out []*User
	for _, u := range s.now.Load().users {
		if f(u) {
			out = append(out, u)
		}
	}
	slices.SortFunc(out, func(a, b *User) int { return compareNames(a.Name, b.Name) })
	return out
}

// Roles returns the roles of a database that were made by commands, and the
// built-in ones if asked for, sorted by name.
func (s *Service) Roles(db string, withBuiltin bool) []Name {
	var out []Name
	for n := range s.now.Load().roles {
		if n.DB == db {
			out = append(out, n)
		}
	}
	if withBuiltin {
		for _, n := range builtinNames(db) {
			out = append(out, Name{n, db})
		}
	}
	slices.SortFunc(out, compareNames)
	return out
}

func compareNames(a, b Name) int {
	if a.DB != b.DB {
		if a.DB < b.DB {
			return -1
		}
		return 1
	}
	if a.Name < b.Name {
		return -1
	} else if a.Name > b.Name {
		return 1
	}
	return 0
}

// Change is a change of users and roles, all or nothing. It reads its own writes.
type Change struct {
	next  *state
	batch *store.Batch
	err   error
}

// Change runs f and makes what it did durable and visible, unless it fails.
func (s *Service) Change(ctx context.Context, f func(c *Change) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.now.Load()
	c := &Change{next: &state{users: maps.Clone(old.users), roles: maps.Clone(old.roles), generation: old.generation + 1}, batch: s.store.NewBatch()}
	err := f(c)
	if err == nil {
		err = c.err
	}
	if err != nil {
		c.batch.Close()
		return err
	}
	if err := s.store.CommitControl(ctx, c.batch); err != nil {
		return err
	}
	s.now.Store(c.next)
	return nil
}

// Invalidate makes every connection look its user up again.
func (s *Service) Invalidate() {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.now.Load()
	next.generation++
	s.now.Store(&next)
}

func (c *Change) note(err error) {
	if c.err == nil {
		c.err = err
	}
}

// User returns a user. Error: UserNotFound.
func (c *Change) User(n Name) (*User, error) {
	if u := c.next.users[n]; u != nil {
		return u, nil
	}
	return nil, errcode.New(errcode.UserNotFound, "Could not find user \"%s\" for db \"%s\"", n.Name, n.DB)
}

// HasUser reports whether there is such a user.
func (c *Change) HasUser(n Name) bool { return c.next.users[n] != nil }

// PutUser adds or replaces a user; the roles it has must be there.
func (c *Change) PutUser(u *User) error {
	if err := c.RolesExist(u.Roles); err != nil {
		return err
	}
	c.next.users[u.Name] = u
	c.note(c.batch.SetControl(recordKey(keyUser, u.Name), u.encode()))
	return nil
}

// DropUser removes a user. Error: UserNotFound.
func (c *Change) DropUser(n Name) error {
	if c.next.users[n] == nil {
		return errcode.New(errcode.UserNotFound, "User '%s' not found", n)
	}
	delete(c.next.users, n)
	c.note(c.batch.DeleteControl(recordKey(keyUser, n)))
	return nil
}

// DropUsers removes the users of a database and returns how many.
func (c *Change) DropUsers(db string) (n int) {
	for name := range c.next.users {
		if name.DB == db {
			c.note(c.DropUser(name))
			n++
		}
	}
	return n
}

// Role returns a role that was made by a command. Error: RoleNotFound, for a
// built-in one too.
func (c *Change) Role(n Name) (*Role, error) {
	if r := c.next.roles[n]; r != nil {
		return r, nil
	}
	return nil, errcode.New(errcode.RoleNotFound, "Role %s not found", n)
}

// HasRole reports whether there is such a role, built-in or not.
func (c *Change) HasRole(n Name) bool { return c.next.roles[n] != nil || IsBuiltin(n) }

// RolesExist checks that there are such roles, built-in or not. Error: RoleNotFound.
func (c *Change) RolesExist(roles []Name) error {
	var unknown []string
	for _, n := range roles {
		if !c.HasRole(n) {
			unknown = append(unknown, n.String())
		}
	}
	switch len(unknown) {
	case 0:
		return nil
	case 1:
		return errcode.New(errcode.RoleNotFound, "Could not find role: %s", unknown[0])
	}
	return errcode.New(errcode.RoleNotFound, "Could not find roles: %s", strings.Join(unknown, ", "))
}

// PutRole adds or replaces a role. Errors: RoleNotFound for a role that it
// inherits and is not there; InvalidRoleModification for a circle, and for what
// a role of another database than admin may not have.
func (c *Change) PutRole(r *Role) error {
	if err := c.checkInherited(r); err != nil {
		return err
	}
	for _, p := range r.Privileges {
		if r.Name.DB != "admin" && (p.Resource.Kind == Cluster || p.Resource.Kind == AnyResource || p.Resource.DB == "" || HomeDB(p.Resource.DB) != r.Name.DB) {
			return errcode.New(errcode.InvalidRoleModification, "Roles on the '%s' database cannot be granted privileges that target other databases or the cluster", r.Name.DB)
		}
	}
	c.next.roles[r.Name] = r
	c.note(c.batch.SetControl(recordKey(keyRole, r.Name), r.encode()))
	return nil
}

// checkInherited checks the roles that a role is to inherit.
func (c *Change) checkInherited(r *Role) error {
	for _, n := range r.Roles {
		if n == r.Name {
			return errcode.New(errcode.InvalidRoleModification, "Cannot grant role %s to itself.", r.Name)
		}
		if r.Name.DB != "admin" && HomeDB(n.DB) != r.Name.DB {
			return errcode.New(errcode.InvalidRoleModification, "Roles on the '%s' database cannot be granted roles from other databases", r.Name.DB)
		}
	}
	if err := c.RolesExist(r.Roles); err != nil {
		return errcode.New(errcode.RoleNotFound, "Cannot grant roles to '%s': %s", r.Name, errcode.As(err).Message)
	}
	if inherits(c.next, r.Roles, r.Name) {
		return errcode.New(errcode.InvalidRoleModification, "Granting roles to %s would introduce a cycle in the role graph", r.Name)
	}
	return nil
}

// inherits reports whether roles, or what they inherit, have n among them.
func inherits(s *state, roles []Name, n Name) bool {
	names, _ := resolve(s, roles)
	return slices.Contains(names, n)
}

// DropRole removes a role and takes it from whoever has it.
func (c *Change) DropRole(n Name) error {
	if _, err := c.Role(n); err != nil {
		return err
	}
	delete(c.next.roles, n)
	c.note(c.batch.DeleteControl(recordKey(keyRole, n)))
	has := func(r Name) bool { return r == n }
	for _, u := range c.next.users {
		if slices.ContainsFunc(u.Roles, has) {
			v := *u
			v.Roles = slices.DeleteFunc(slices.Clone(u.Roles), has)
			c.note(c.PutUser(&v))
		}
	}
	for _, r := range c.next.roles {
		if slices.ContainsFunc(r.Roles, has) {
			v := *r
			v.Roles = slices.DeleteFunc(slices.Clone(r.Roles), has)
			c.note(c.PutRole(&v))
		}
	}
	return nil
}

// DropRoles removes the roles of a database and returns how many.
func (c *Change) DropRoles(db string) (n int) {
	for name := range c.next.roles {
		if name.DB == db {
			c.note(c.DropRole(name))
			n++
		}
	}
	return n
}

// resolve returns roles with all that they inherit, and their privileges.
func resolve(s *state, roles []Name) ([]Name, []Privilege) {
	var names []Name
	var privileges []Privilege
	seen := map[Name]bool{}
	for todo := slices.Clone(roles); len(todo) > 0; todo = todo[1:] {
		n := todo[0]
		if seen[n] {
			continue
		}
		seen[n] = true
		if r := s.roles[n]; r != nil {
			todo = append(todo, r.Roles...)
			for _, p := range r.Privileges {
				privileges = merge(privileges, p)
			}
		} else if IsBuiltin(n) {
			for _, p := range builtinPrivileges(n) {
				privileges = merge(privileges, p)
			}
		} else {
			continue
		}
		names = append(names, n)
	}
	return names, privileges
}

// Resolve returns roles with all that they inherit, and their privileges.
func (s *Service) Resolve(roles []Name) ([]Name, []Privilege) { return resolve(s.now.Load(), roles) }

// principal is a user with what it may do now.
func (s *Service) principal(u *User) *Principal {
	now := s.now.Load()
	p := &Principal{Name: u.Name, ID: u.ID, generation: now.generation}
	p.Roles, p.Privileges = resolve(now, u.Roles)
	return p
}

// Current returns p as it is now: the same when nothing changed, and nil when the
// user is gone.
func (s *Service) Current(p *Principal) *Principal {
	now := s.now.Load()
	if p == nil || p.generation == now.generation {
		return p
	}
	u := now.users[p.Name]
	if u == nil || u.ID != p.ID {
		return nil
	}
	return s.principal(u)
}
