package auth

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/store"
)

func open(t testing.TB, fs vfs.FS) (*Service, func()) {
	t.Helper()
	st, err := store.Open(store.Options{Dir: "data", FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(context.Background(), st)
	if err != nil {
		t.Fatal(err)
	}
	return s, func() { _ = st.Close() }
}

func addUser(t testing.TB, s *Service, u *User, password string) {
	t.Helper()
	var err error
	if u.SHA1, err = NewCredential(MechanismSHA1, Digest(u.Name.Name, password)); err != nil {
		t.Fatal(err)
	}
	if u.SHA256, err = NewCredential(MechanismSHA256, password); err != nil {
		t.Fatal(err)
	}
	u.ID[0] = 1
	if err := s.Change(context.Background(), func(c *Change) error { return c.PutUser(u) }); err != nil {
		t.Fatal(err)
	}
}

func TestGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, s string
		want       bool
	}{
		{"main", "main", true}, {"main", "mai", false}, {"*", "", true}, {"*", "x", true}, {"dev-*", "dev-", true}, {"dev-*", "dev-1", true}, {"dev-*", "dev", false},
		{"a*a", "a", false}, {"a*a", "aa", true}, {"a*b*c", "a1b2c", true}, {"a*b*c", "acb", false}, {"*x*", "axb", true},
		{"dev-*", "dev-1-*", true}, {"dev-1", "dev-*", false}, {"dev-*", "*", false}, {"*", "dev-*", true}, // a pattern within a pattern
	} {
		if got := glob(c.pattern, c.s); got != c.want {
			t.Errorf("glob(%q, %q) is %v", c.pattern, c.s, got)
		}
	}
}

func TestCovers(t *testing.T) {
	def := func(string) string { return "main" }
	for _, c := range []struct {
		name string
		r    Resource
		on   Target
		want bool
	}{
		{"a collection", Resource{DB: "shop", Collection: "a"}, CollectionTarget("shop~dev@5", "a"), true},
		{"another collection", Resource{DB: "shop", Collection: "a"}, CollectionTarget("shop", "b"), false},
		{"a collection for the database", Resource{DB: "shop", Collection: "a"}, DatabaseTarget("shop"), false},
		{"the database for a collection", Resource{DB: "shop"}, CollectionTarget("shop", "a"), true},
		{"the database for a system collection", Resource{DB: "shop"}, CollectionTarget("shop", "system.js"), false},
		{"a system collection by name", Resource{DB: "shop", Collection: "system.js"}, CollectionTarget("shop", "system.js"), true},
		{"any database", Resource{}, CollectionTarget("x", "a"), true},
		{"any database leaves out config", Resource{}, CollectionTarget("config", "a"), false},
		{"a branch by pattern", Resource{DB: "shop~d*"}, DatabaseTarget("shop~dev"), true},
		{"the default branch by its name", Resource{DB: "shop~main"}, DatabaseTarget("shop"), true},
		{"another branch", Resource{DB: "shop~dev"}, DatabaseTarget("shop"), false},
		{"a branch for the project", Resource{DB: "shop~dev"}, ProjectTarget("shop"), false},
		{"all branches for the project", Resource{DB: "shop~*"}, ProjectTarget("shop"), true},
		{"a project whose name begins alike", Resource{DB: "shop"}, DatabaseTarget("shop2"), false},
		{"a database for any", Resource{DB: "shop"}, AnyTarget(), false},
		{"any for any", Resource{}, AnyTarget(), true},
		{"the cluster", Resource{Kind: Cluster}, ClusterTarget(), true},
		{"the cluster for a database", Resource{Kind: Cluster}, DatabaseTarget("shop"), false},
		{"a database for the cluster", Resource{}, ClusterTarget(), false},
		{"anything", Resource{Kind: AnyResource}, ClusterTarget(), true},
		{"a pattern within a pattern", Resource{DB: "shop~d*"}, PatternTarget("shop~dev-*"), true},
		{"a pattern beyond a pattern", Resource{DB: "shop~dev-*"}, PatternTarget("shop~d*"), false},
	} {
		if got := c.r.covers(c.on, def); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

// TestActionNames: each action has a name of its own and comes back from it.
func TestActionNames(t *testing.T) {
	for i, name := range actionNames {
		if a, ok := ParseAction(name); !ok || int(a) != i || name == "" {
			t.Errorf("action %d is called %q, which is %d", i, name, a)
		}
	}
	if _, ok := ParseAction(""); ok {
		t.Error("the empty name is an action")
	}
}

// TestReopen: users and roles are as they were after the store was closed.
func TestReopen(t *testing.T) {
	fs := vfs.NewMem()
	s, closeStore := open(t, fs)
	role := &Role{Name: Name{"r", "shop"}, Privileges: []Privilege{{Resource{DB: "shop~*", Collection: "c"}, Of(Find, WriteProtectedBranch)}}, Roles: []Name{{"read", "shop"}}}
	if err := s.Change(context.Background(), func(c *Change) error { return c.PutRole(role) }); err != nil {
		t.Fatal(err)
	}
	addUser(t, s, &User{Name: Name{"ann", "shop"}, Roles: []Name{{"r", "shop"}}}, "pw")
	closeStore()
	s, closeStore = open(t, fs)
	defer closeStore()
	u := s.User(Name{"ann", "shop"})
	if u == nil || len(u.Mechanisms()) != 2 {
		t.Fatalf("the user is %+v", u)
	}
	names, privileges := s.Resolve(u.Roles)
	if len(names) != 2 || privileges[0].Actions != Of(Find, WriteProtectedBranch) || privileges[0].Resource.DB != "shop~*" {
		t.Errorf("its roles are %v, its privileges %v", names, privileges)
	}
}

func TestSubject(t *testing.T) {
	for want, n := range map[string]pkix.Name{
		"CN=ann":                        {CommonName: "ann"},
		`CN=a\,b\+c,OU=x,O=y,C=DE`:      {CommonName: "a,b+c", OrganizationalUnit: []string{"x"}, Organization: []string{"y"}, Country: []string{"DE"}},
		`CN=\ lead\ `:                   {CommonName: " lead "},
		`CN=\#x\\`:                      {CommonName: `#x\`},
		"emailAddress=a@b.example,CN=x": {CommonName: "x", ExtraNames: []pkix.AttributeTypeAndValue{{Type: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}, Value: "a@b.example"}}},
	} {
		raw, err := asn1.Marshal(n.ToRDNSequence())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Subject(&x509.Certificate{RawSubject: raw}); err != nil || got != want {
			t.Errorf("%s (%v), want %s", got, err, want)
		}
	}
}

// FuzzSCRAM: whatever a client sends, only the password proves who it is.
func FuzzSCRAM(f *testing.F) {
	s, closeStore := open(f, vfs.NewMem())
	defer closeStore()
	addUser(f, s, &User{Name: Name{"ann", "shop"}}, "pw")
	f.Add("n,,n=ann,r=abcdefgh", "c=biws,r=abcdefgh,p=AAAA", "", true)
	f.Add("n,,n=ann,r=abcdefgh", "c=biws,r=abcdefgh,p=", "x", false)
	f.Add("n,,n=nosuch,r=abcdefgh", "", "", true)
	f.Add("y,a=ann,n=ann,r=x,ext=1", "c=eSxhPWFubiw=,r=x,p=AAAA", "", true)
	f.Add("p=tls-unique,,n=ann,r=x", "c=,r=,p=", "", true)
	f.Add("n,,n=a=2Cnn,r=,", "c", "\x00", false)
	f.Fuzz(func(t *testing.T, first, second, third string, sha1 bool) {
		mech := MechanismSHA256
		if sha1 {
			mech = MechanismSHA1
		}
		c, out, err := s.Start(mech, "shop", []byte(first))
		if err != nil {
			return
		}
		if len(out) > 2*maxPayload {
			t.Errorf("the answer has %d bytes", len(out))
		}
		for _, payload := range []string{second, third} {
			if _, done, err := c.Step([]byte(payload)); done || err == nil {
				t.Errorf("%q, %q prove something", first, payload)
			}
		}
		if p, err := c.Principal("127.0.0.1:1", "127.0.0.1:2"); p != nil || err == nil {
			t.Errorf("%q is %v", first, p)
		}
	})
}

// TestSCRAM goes through whole conversations, with and without the last exchange
// of empty messages.
func TestSCRAM(t *testing.T) {
	s, closeStore := open(t, vfs.NewMem())
	defer closeStore()
	addUser(t, s, &User{Name: Name{"ann", "shop"}}, "pw")
	for _, skip := range []bool{true, false} {
		for mech, hash := range map[string]scram.HashGeneratorFcn{MechanismSHA1: scram.SHA1, MechanismSHA256: scram.SHA256} {
			pwd := "pw"
			if mech == MechanismSHA1 {
				pwd = Digest("ann", pwd)
			}
			client, err := hash.NewClient("ann", pwd, "")
			if err != nil {
				t.Fatal(err)
			}
			conv := client.NewConversation()
			msg, _ := conv.Step("")
			c, out, err := s.Start(mech, "shop~dev", []byte(msg))
			if err != nil {
				t.Fatal(err)
			}
			c.SkipEmpty = skip
			if msg, err = conv.Step(string(out)); err != nil {
				t.Fatal(err)
			}
			out, done, err := c.Step([]byte(msg))
			if err != nil || done != skip {
				t.Fatalf("%s: done %v, %v", mech, done, err)
			}
			if _, err := conv.Step(string(out)); err != nil || !conv.Valid() {
				t.Errorf("%s: the server does not prove itself: %v", mech, err)
			}
			if !skip {
				if _, done, err = c.Step(nil); err != nil || !done {
					t.Errorf("%s: the last exchange: %v, %v", mech, done, err)
				}
			}
			if p, err := c.Principal("127.0.0.1:1", "127.0.0.1:2"); err != nil || p.Name != (Name{"ann", "shop"}) {
				t.Errorf("%s: %v, %v", mech, p, err)
			}
		}
	}
}

// FuzzDocuments: no document makes the parsers of roles, privileges and
// restrictions fail otherwise than with an error, and what they take is kept as it is.
func FuzzDocuments(f *testing.F) {
	for _, d := range []bson.D{
		{{Key: "l", Value: bson.A{"read", bson.D{{Key: "role", Value: "r"}, {Key: "db", Value: "shop~*"}}}}},
		{{Key: "l", Value: bson.A{bson.D{{Key: "resource", Value: bson.D{{Key: "db", Value: "shop"}, {Key: "collection", Value: ""}}}, {Key: "actions", Value: bson.A{"find", "anyAction"}}}}}},
		{{Key: "l", Value: bson.A{bson.D{{Key: "resource", Value: bson.D{{Key: "cluster", Value: true}}}, {Key: "actions", Value: bson.A{}}}}}},
		{{Key: "l", Value: bson.A{bson.D{{Key: "clientSource", Value: bson.A{"10.0.0.0/8", "::1"}}, {Key: "serverAddress", Value: bson.A{"x"}}}}}},
	} {
		b, err := bson.Marshal(d)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if bsonx.Validate(data) != nil {
			return
		}
		list := bsonx.Lookup(data, "l")
		if list.Type != bsonx.Array {
			return
		}
		_, _ = ParseRoles(list.Data, "shop")
		if CheckRestrictions(list.Data) == nil {
			permitted(list.Data, "127.0.0.1:1", "not an address")
		}
		p, err := ParsePrivileges(list.Data)
		if err != nil {
			return
		}
		r, err := decodeRole((&Role{Name: Name{"r", "shop"}, Privileges: p}).encode())
		if err != nil || len(r.Privileges) != len(p) {
			t.Fatalf("%v was read as %v (%v)", p, r, err)
		}
	})
}
