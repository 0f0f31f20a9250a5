package auth

import (
	"encoding/base64"
	"errors"
	"slices"

	"github.com/argon-db/argon/internal/bsonx"
)

var errDamaged = errors.New("auth: a stored user or role is damaged")

func (u *User) encode() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("user", u.Name.Name)
	b.String("db", u.Name.DB)
	b.Binary("userId", 4, u.ID[:])
	AppendRoles(b, "roles", u.Roles)
	if u.CustomData != nil {
		b.Doc("customData", u.CustomData)
	}
	if u.Restrictions != nil {
		b.Array("authenticationRestrictions", u.Restrictions)
	}
	u.SHA1.append(b, MechanismSHA1)
	u.SHA256.append(b, MechanismSHA256)
	return b.Done()
}

// AppendCredentials writes what is kept of the user's password, as usersInfo shows
// it: binaries in base64.
func (u *User) AppendCredentials(b *bsonx.Builder, key string) {
	at := b.OpenDoc(key)
	for _, m := range []struct {
		name string
		c    *Credential
	}{{MechanismSHA1, u.SHA1}, {MechanismSHA256, u.SHA256}} {
		if m.c == nil {
			continue
		}
		in := b.OpenDoc(m.name)
		b.Int32("iterationCount", int32(m.c.Iterations))
		for _, f := range []struct {
			name string
			data []byte
		}{{"salt", m.c.Salt}, {"storedKey", m.c.StoredKey}, {"serverKey", m.c.ServerKey}} {
			b.String(f.name, base64.StdEncoding.EncodeToString(f.data))
		}
		b.Close(in)
	}
	if u.Name.DB == "$external" {
		b.Bool("external", true)
	}
	b.Close(at)
}

func decodeUser(d bsonx.Doc) (*User, error) {
	d = slices.Clone(d)
	f := fields{d: d}
	u := &User{Name: Name{f.str("user"), f.str("db")}, Roles: f.roles("roles"), CustomData: f.doc("customData"),
		Restrictions: f.arr("authenticationRestrictions"), SHA1: f.credential(MechanismSHA1), SHA256: f.credential(MechanismSHA256)}
	if copy(u.ID[:], f.bin(bsonx.Lookup(d, "userId"))) != len(u.ID) || u.Name.Name == "" || f.bad {
		return nil, errDamaged
	}
	return u, nil
}

func (r *Role) encode() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.String("role", r.Name.Name)
	b.String("db", r.Name.DB)
	AppendPrivileges(b, "privileges", r.Privileges)
	AppendRoles(b, "roles", r.Roles)
	if r.Restrictions != nil {
		b.Array("authenticationRestrictions", r.Restrictions)
	}
	return b.Done()
}

func decodeRole(d bsonx.Doc) (*Role, error) {
	d = slices.Clone(d)
	f := fields{d: d}
	r := &Role{Name: Name{f.str("role"), f.str("db")}, Roles: f.roles("roles"), Restrictions: f.arr("authenticationRestrictions")}
	for it := bsonx.NewIter(f.arr("privileges")); it.Next(); {
		var unknown []string // actions that a newer version had mean nothing
		p, err := ParsePrivilege(it.Value().Data, &unknown)
		if err != nil {
			return nil, err
		}
		r.Privileges = append(r.Privileges, p)
	}
	if r.Name.Name == "" || f.bad {
		return nil, errDamaged
	}
	return r, nil
}

// AppendRoles writes a list of roles, as the commands show them.
func AppendRoles(b *bsonx.Builder, key string, roles []Name) {
	list := b.OpenArray(key)
	for i, r := range roles {
		at := b.OpenDoc(bsonx.Index(i))
		b.String("role", r.Name)
		b.String("db", r.DB)
		b.Close(at)
	}
	b.Close(list)
}

// AppendPrivileges writes a list of privileges, as the commands show them.
func AppendPrivileges(b *bsonx.Builder, key string, privileges []Privilege) {
	list := b.OpenArray(key)
	for i := range privileges {
		at := b.OpenDoc(bsonx.Index(i))
		privileges[i].Resource.Append(b, "resource")
		actions := b.OpenArray("actions")
		for j, a := range privileges[i].Actions.Names() {
			b.String(bsonx.Index(j), a)
		}
		b.Close(actions)
		b.Close(at)
	}
	b.Close(list)
}

// fields reads a stored document; bad is set when something is not as it was
// written.
type fields struct {
	d   bsonx.Doc
	bad bool
}

func (f *fields) str(key string) string {
	v := bsonx.Lookup(f.d, key)
	if v.Type != bsonx.String {
		f.bad = true
		return ""
	}
	return string(bsonx.Str(v))
}

func (f *fields) doc(key string) bsonx.Doc {
	if v := bsonx.Lookup(f.d, key); v.Type == bsonx.Object {
		return v.Data
	}
	return nil
}

func (f *fields) arr(key string) bsonx.Arr {
	if v := bsonx.Lookup(f.d, key); v.Type == bsonx.Array {
		return v.Data
	}
	return nil
}

func (f *fields) bin(v bsonx.Value) []byte {
	if v.Type != bsonx.Binary {
		f.bad = true
		return nil
	}
	_, data := bsonx.Bin(v)
	return data
}

func (f *fields) roles(key string) []Name {
	var out []Name
	for it := bsonx.NewIter(f.arr(key)); it.Next(); {
		r := fields{d: it.Value().Data}
		out = append(out, Name{r.str("role"), r.str("db")})
		f.bad = f.bad || r.bad
	}
	return out
}

func (f *fields) credential(key string) *Credential {
	d := f.doc(key)
	if d == nil {
		return nil
	}
	n, _ := bsonx.IntegralOK(bsonx.Lookup(d, "iterationCount"))
	return &Credential{Iterations: int(n), Salt: f.bin(bsonx.Lookup(d, "salt")),
		StoredKey: f.bin(bsonx.Lookup(d, "storedKey")), ServerKey: f.bin(bsonx.Lookup(d, "serverKey"))}
}

func (c *Credential) append(b *bsonx.Builder, key string) {
	if c == nil {
		return
	}
	at := b.OpenDoc(key)
	b.Int32("iterationCount", int32(c.Iterations))
	b.Binary("salt", 0, c.Salt)
	b.Binary("storedKey", 0, c.StoredKey)
	b.Binary("serverKey", 0, c.ServerKey)
	b.Close(at)
}
