package command

import (
	"strings"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// connAuth is a connection's authentication: a conversation under way, and who
// it has proven to be.
type connAuth struct {
	conversation *auth.Conversation
	principal    *auth.Principal
}

// refreshUser looks the connection's user up again after users or roles have
// changed. Who was dropped is no longer authenticated.
func (rq *Request) refreshUser() {
	a := &rq.Conn.Auth
	if a.principal == nil {
		return
	}
	if a.principal = rq.Services.Users.Current(a.principal); a.principal == nil {
		rq.setUser("")
	}
}

// setUser replaces the user that operations of the connection show.
func (rq *Request) setUser(user string) {
	info := *rq.Conn.Info
	info.User = user
	rq.Conn.Info = &info
}

// become makes p the connection's user. Error: ProtocolError when it is another
// one's already.
func (rq *Request) become(p *auth.Principal) error {
	if old := rq.Conn.Auth.principal; old != nil && old.Name != p.Name {
		return errcode.New(errcode.ProtocolError, "Each client connection may only be authenticated once. Previously authenticated as: %s", old.Name)
	}
	rq.Conn.Auth.principal = p
	rq.setUser(p.Name.String())
	return nil
}

// appendAuthInfo writes the fields of connectionStatus's authInfo.
func (rq *Request) appendAuthInfo(b *bsonx.Builder) {
	p := rq.Conn.Auth.principal
	users := b.OpenArray("authenticatedUsers")
	if p != nil {
		at := b.OpenDoc("0")
		b.String("user", p.Name.Name)
		b.String("db", p.Name.DB)
		b.Close(at)
	}
	b.Close(users)
	var roles []auth.Name
	var privileges []auth.Privilege
	if p != nil {
		roles, privileges = p.Roles, p.Privileges
	}
	auth.AppendRoles(b, "authenticatedUserRoles", roles)
	if rq.Args.Bool("showPrivileges", false) {
		auth.AppendPrivileges(b, "authenticatedUserPrivileges", privileges)
	}
}

// helloAuth adds to a hello's reply the mechanisms of a user and the first answer
// of an authentication that the client has begun in the same message.
func (rq *Request) helloAuth(b *bsonx.Builder) error {
	if rq.Services.Users == nil {
		return nil
	}
	if v := rq.Args.Get("saslSupportedMechs"); v.Type != bsonx.Missing && v.Type != bsonx.Null {
		n, err := userOf(v)
		if err != nil {
			return err
		}
		// An unknown user seems to have both, so that nobody learns who there is.
		mechs := []string{auth.MechanismSHA1, auth.MechanismSHA256}
		if u := rq.Services.Users.User(n); u != nil {
			mechs = u.Mechanisms()
		}
		at := b.OpenArray("saslSupportedMechs")
		for i, m := range mechs {
			b.String(bsonx.Index(i), m)
		}
		b.Close(at)
	}
	if d := rq.Args.Doc("speculativeAuthenticate"); d != nil {
		rq.speculate(b, d)
	}
	return nil
}

// userOf reads "db.user" or {user, db}.
func userOf(v bsonx.Value) (auth.Name, error) {
	if v.Type != bsonx.String {
		n, err := auth.ParseName(v, "", "user")
		n.DB = auth.HomeDB(n.DB)
		return n, err
	}
	db, user, ok := strings.Cut(string(bsonx.Str(v)), ".")
	if !ok || db == "" || user == "" {
		return auth.Name{}, errcode.New(errcode.BadValue, "UserName must contain a '.' separated database.user pair")
	}
	return auth.Name{Name: user, DB: auth.HomeDB(db)}, nil
}
