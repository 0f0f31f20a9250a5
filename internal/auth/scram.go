package auth

import (
	"crypto/hmac"
	"crypto/md5" //nolint:gosec // part of MongoDB's SCRAM-SHA-1
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"

	"github.com/xdg-go/scram"

	"github.com/argon-db/argon/internal/errcode"
)

// The mechanisms by which a connection can authenticate.
const (
	MechanismSHA1   = "SCRAM-SHA-1"
	MechanismSHA256 = "SCRAM-SHA-256"
	MechanismX509   = "MONGODB-X509"
)

// Credential is what is kept of a password for one mechanism.
type Credential struct {
	Iterations                 int
	Salt, StoredKey, ServerKey []byte
}

// mechanism is a SCRAM mechanism with MongoDB's iteration count and salt length.
type mechanism struct {
	hash       scram.HashGeneratorFcn
	iterations int
	salt       int // bytes
	of         func(*User) *Credential
}

var mechanisms = map[string]mechanism{
	MechanismSHA1:   {scram.SHA1, 10_000, 16, func(u *User) *Credential { return u.SHA1 }},
	MechanismSHA256: {scram.SHA256, 15_000, 28, func(u *User) *Credential { return u.SHA256 }},
}

// Digest is the password that SCRAM-SHA-1 works on in MongoDB.
func Digest(user, password string) string {
	h := md5.Sum([]byte(user + ":mongo:" + password)) //nolint:gosec // as above
	return hex.EncodeToString(h[:])
}

// NewCredential derives what is kept of a password: for SCRAM-SHA-1 its Digest.
// Errors: 50687 for an
// empty password, 50692 for one that SASLprep refuses.
func NewCredential(mech, password string) (*Credential, error) {
	m := mechanisms[mech]
	if password == "" {
		return nil, errcode.New(50687, "Password cannot be empty")
	}
	c, err := m.hash.NewClient("", password, "")
	if err != nil {
		return nil, errcode.New(50692, "the password has characters that are not allowed: %v", err)
	}
	salt := make([]byte, m.salt)
	_, _ = rand.Read(salt) // never fails
	sc, err := c.GetStoredCredentialsWithError(scram.KeyFactors{Salt: string(salt), Iters: m.iterations})
	if err != nil {
		return nil, err
	}
	return &Credential{m.iterations, salt, sc.StoredKey, sc.ServerKey}, nil
}

// Conversation is a SCRAM exchange that has begun. Not safe for concurrent use.
type Conversation struct {
	ID        int32
	Mechanism string
	DB        string
	// SkipEmpty: the client wants no last exchange of empty messages.
	SkipEmpty bool
	s         *Service
	sc        *scram.ServerConversation
	user      *User // nil: unknown, or without credentials for the mechanism
	name      Name
	proven    bool
}

// errFailed is the one answer to all that goes wrong: who has to guess learns
// nothing.
func errFailed() *errcode.Error {
	return errcode.New(errcode.AuthenticationFailed, "Authentication failed.")
}

// maxPayload bounds a client's SCRAM message, in bytes.
const maxPayload = 16 << 10

// Start begins a conversation and returns the server's first message. Errors:
// MechanismUnavailable, AuthenticationFailed.
func (s *Service) Start(mech, db string, payload []byte) (*Conversation, []byte, error) {
	m, ok := mechanisms[mech]
	if !ok {
		return nil, nil, errcode.New(errcode.MechanismUnavailable, "Received authentication for mechanism %s which is not enabled", mech)
	}
	c := &Conversation{ID: 1, Mechanism: mech, DB: HomeDB(db), s: s}
	srv, err := m.hash.NewServer(func(user string) (scram.StoredCredentials, error) { return c.lookup(m, user), nil })
	if err != nil {
		return nil, nil, err
	}
	c.sc = srv.NewConversation()
	out, err := c.step(payload)
	return c, out, err
}

// lookup returns the credentials of a user. An unknown one seems to have some:
// the salt is always the same for a name, and no proof fits.
func (c *Conversation) lookup(m mechanism, user string) scram.StoredCredentials {
	c.name = Name{user, c.DB}
	if u := c.s.User(c.name); u != nil && m.of(u) != nil {
		c.user = u
		k := m.of(u)
		return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(k.Salt), Iters: k.Iterations}, StoredKey: k.StoredKey, ServerKey: k.ServerKey}
	}
	mac := hmac.New(sha256.New, c.s.secret)
	mac.Write([]byte(c.Mechanism + "\x00" + c.DB + "\x00" + user))
	none := make([]byte, m.hash().Size())
	_, _ = rand.Read(none)
	return scram.StoredCredentials{KeyFactors: scram.KeyFactors{Salt: string(mac.Sum(nil)[:m.salt]), Iters: m.iterations}, StoredKey: none, ServerKey: none}
}

// step takes a client's message and returns the server's.
func (c *Conversation) step(payload []byte) ([]byte, error) {
	if len(payload) > maxPayload {
		return nil, errFailed()
	}
	out, err := c.sc.Step(string(payload))
	if err != nil {
		return nil, errFailed()
	}
	return []byte(out), nil
}

// Unsuited reports whether the user is there but has no credentials for the
// mechanism.
func (c *Conversation) Unsuited() bool { return c.user == nil && c.s.User(c.name) != nil }

// Name is the user that the client says it is.
func (c *Conversation) Name() Name { return c.name }

// Step goes on with a conversation. done is true when the client has proven who
// it is and the exchange has ended. Error: AuthenticationFailed.
func (c *Conversation) Step(payload []byte) (out []byte, done bool, err error) {
	if c.proven {
		if len(payload) != 0 {
			return nil, false, errFailed()
		}
		return nil, true, nil
	}
	if out, err = c.step(payload); err != nil {
		return nil, false, err
	}
	if !c.sc.Valid() || c.user == nil {
		return nil, false, errFailed()
	}
	c.proven = true
	return out, c.SkipEmpty, nil
}

// Principal is who a conversation that is done has proven to be, when its user is
// still there, unchanged, and allowed to come from where it comes.
func (c *Conversation) Principal(client, server string) (*Principal, error) {
	if !c.proven || c.user == nil {
		return nil, errFailed()
	}
	return c.s.admit(c.user, client, server)
}

// admit checks the restrictions of a user and of its roles.
func (s *Service) admit(u *User, client, server string) (*Principal, error) {
	if now := s.User(u.Name); now != u {
		return nil, errFailed()
	}
	p := s.principal(u)
	ok := permitted(u.Restrictions, client, server)
	for _, n := range p.Roles {
		if r := s.Role(n); r != nil {
			ok = ok && permitted(r.Restrictions, client, server)
		}
	}
	if !ok {
		return nil, errFailed()
	}
	return p, nil
}

// External returns the principal of a user of $external, who was authenticated by
// other means (a certificate).
func (s *Service) External(name, client, server string) (*Principal, error) {
	u := s.User(Name{name, "$external"})
	if u == nil {
		return nil, errFailed()
	}
	return s.admit(u, client, server)
}
