package auth

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// ParseRoles reads a list of roles: names of roles of db, and {role, db}
// documents. Duplicates are left out.
func ParseRoles(list bsonx.Arr, db string) ([]Name, error) {
	out := []Name{}
	seen := map[Name]bool{}
	for it := bsonx.NewIter(list); it.Next(); {
		n, err := parseRole(it.Value(), db)
		if err != nil {
			return nil, err
		}
		if !seen[n] {
			seen[n] = true
			out = append(out, n)
		}
	}
	return out, nil
}

func parseRole(v bsonx.Value, db string) (Name, error) { return ParseName(v, db, "role") }

// kinds are the names that MongoDB's messages have for a user's and a role's name.
var kinds = map[string]string{"user": "UserName", "role": "RoleName"}

// ParseName reads the name of a user or role, as a string or as {user|role, db}.
// Error: BadValue.
func ParseName(v bsonx.Value, db, key string) (Name, error) {
	kind := kinds[key]
	switch v.Type {
	case bsonx.String:
		return Name{string(bsonx.Str(v)), db}, nil
	case bsonx.Object:
		var n Name
		var named, inDB bool
		for it := bsonx.NewIter(v.Data); it.Next(); {
			w, k := it.Value(), string(it.Key())
			if k != key && k != "db" {
				return n, errcode.New(errcode.BadValue, "%s contains an unexpected field: %s", kind, k)
			}
			if w.Type != bsonx.String {
				return n, errcode.New(errcode.BadValue, "%s must contain a string field named: %s", kind, k)
			}
			if k == key {
				n.Name, named = string(bsonx.Str(w)), true
			} else {
				n.DB, inDB = string(bsonx.Str(w)), true
			}
		}
		if !named {
			return n, errcode.New(errcode.BadValue, "%s must contain a string field named: %s", kind, key)
		}
		if !inDB {
			return n, errcode.New(errcode.BadValue, "%s must contain a string field named: db", kind)
		}
		return n, checkPattern(n.DB)
	}
	return Name{}, errcode.New(errcode.BadValue, "%s must be either a string or an object", kind)
}

// checkPattern refuses a point as what a privilege or a role is about: who may read
// a branch may read its past.
func checkPattern(db string) error {
	if strings.Contains(db, "@") {
		return errcode.New(errcode.BadValue, "a privilege or a role is for a project or for branches of it, and includes their past: leave out what stands after '@' in '%s'", db)
	}
	return nil
}

// maxName bounds the length of a user's or role's name, in bytes.
const maxName = 1024

// CheckName checks the name of a new user or role; what says which.
func CheckName(s, what string) error {
	switch {
	case s == "":
		return errcode.New(errcode.BadValue, "%s name must be non-empty", what)
	case strings.IndexByte(s, 0) >= 0:
		return errcode.New(errcode.BadValue, "%sname cannot contain NULL characters", what)
	case len(s) > maxName:
		return errcode.New(errcode.BadValue, "%s name must not be longer than %d bytes", what, maxName)
	}
	return nil
}

// ParsePrivilege reads {resource, actions} and adds names that are no action to
// unknown.
func ParsePrivilege(d bsonx.Doc, unknown *[]string) (Privilege, error) {
	var p Privilege
	r, a := bsonx.Lookup(d, "resource"), bsonx.Lookup(d, "actions")
	for it := bsonx.NewIter(d); it.Next(); {
		if k := string(it.Key()); k != "resource" && k != "actions" {
			return p, errcode.New(40415, "BSON field 'privileges.%s' is an unknown field.", k)
		}
	}
	if r.Type != bsonx.Object {
		return p, missing("resource", r, "object")
	}
	if a.Type != bsonx.Array {
		return p, missing("actions", a, "array")
	}
	var err error
	if p.Resource, err = ParseResource(r.Data); err != nil {
		return p, err
	}
	for it := bsonx.NewIter(a.Data); it.Next(); {
		v := it.Value()
		if v.Type != bsonx.String {
			return p, errcode.New(errcode.TypeMismatch, "BSON field 'privileges.actions.%s' is the wrong type '%s', expected type 'string'", string(it.Key()), bsonx.TypeName(v.Type))
		}
		act, ok := ParseAction(string(bsonx.Str(v)))
		switch {
		case !ok:
			*unknown = append(*unknown, string(bsonx.Str(v)))
		case act == AnyAction:
			p.Actions = all()
		default:
			p.Actions = p.Actions.Union(Of(act))
		}
	}
	return p, nil
}

func missing(field string, v bsonx.Value, want string) error {
	if v.Type == bsonx.Missing {
		return errcode.New(40414, "BSON field 'privileges.%s' is missing but a required field", field)
	}
	return errcode.New(errcode.TypeMismatch, "BSON field 'privileges.%s' is the wrong type '%s', expected type '%s'", field, bsonx.TypeName(v.Type), want)
}

// ParsePrivileges reads a list of privileges; those on one resource are joined.
// Error: BadValue for what is no action.
func ParsePrivileges(list bsonx.Arr) ([]Privilege, error) {
	out := []Privilege{}
	var unknown []string
	for it := bsonx.NewIter(list); it.Next(); {
		if it.Value().Type != bsonx.Object {
			return nil, errcode.New(errcode.TypeMismatch, "BSON field 'privileges.%s' is the wrong type '%s', expected type 'object'", string(it.Key()), bsonx.TypeName(it.Value().Type))
		}
		p, err := ParsePrivilege(it.Value().Data, &unknown)
		if err != nil {
			return nil, err
		}
		out = merge(out, p)
	}
	if len(unknown) > 0 {
		slices.Sort(unknown)
		unknown = slices.Compact(unknown)
		types := "type"
		if len(unknown) > 1 {
			types = "types"
		}
		return nil, errcode.New(errcode.BadValue, "Unknown action %s in privilege set: '%s'", types, strings.Join(unknown, "', '"))
	}
	return out, nil
}

// Grant adds privileges to a role's; Revoke takes them away.
func Grant(have, more []Privilege) []Privilege {
	out := append([]Privilege(nil), have...)
	for _, p := range more {
		out = merge(out, p)
	}
	return out
}

// Revoke takes actions away from privileges on the same resources.
func Revoke(have, less []Privilege) []Privilege {
	for _, p := range less {
		have = remove(have, p)
	}
	return have
}

// CheckRestrictions checks authenticationRestrictions: documents of clientSource
// and serverAddress, each a list of addresses and ranges.
func CheckRestrictions(list bsonx.Arr) error {
	for it := bsonx.NewIter(list); it.Next(); {
		if it.Value().Type != bsonx.Object {
			return errcode.New(errcode.UnsupportedFormat, "'authenticationRestrictions' array sub-documents must be objects")
		}
		for f := bsonx.NewIter(it.Value().Data); f.Next(); {
			k := string(f.Key())
			if k != "clientSource" && k != "serverAddress" {
				return errcode.New(errcode.UnsupportedFormat, "Unrecognized authenticationRestrictions field: %s", k)
			}
			if f.Value().Type != bsonx.Array {
				return errcode.New(errcode.UnsupportedFormat, "'%s' must be an array of addresses", k)
			}
			for a := bsonx.NewIter(f.Value().Data); a.Next(); {
				if _, ok := parseRange(a.Value()); !ok {
					return errcode.New(errcode.UnsupportedFormat, "'%s' has an element that is no address and no CIDR range", k)
				}
			}
		}
	}
	return nil
}

func parseRange(v bsonx.Value) (netip.Prefix, bool) {
	if v.Type != bsonx.String {
		return netip.Prefix{}, false
	}
	s := string(bsonx.Str(v))
	if a, err := netip.ParseAddr(s); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}

// permitted reports whether a connection between two host:port addresses meets
// one of the restrictions; an empty list has none.
func permitted(list bsonx.Arr, client, server string) bool {
	if bsonx.IsEmpty(list) {
		return true
	}
	for it := bsonx.NewIter(list); it.Next(); {
		ok := true
		for f := bsonx.NewIter(it.Value().Data); f.Next(); {
			addr := client
			if string(f.Key()) == "serverAddress" {
				addr = server
			}
			ok = ok && within(f.Value().Data, addr)
		}
		if ok {
			return true
		}
	}
	return false
}

func within(ranges bsonx.Arr, hostPort string) bool {
	ap, err := netip.ParseAddrPort(hostPort)
	if err != nil {
		return false
	}
	for it := bsonx.NewIter(ranges); it.Next(); {
		if p, ok := parseRange(it.Value()); ok && p.Contains(ap.Addr().Unmap()) {
			return true
		}
	}
	return false
}
