package auth_test

import (
	"bufio"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"github.com/argon-db/argon/internal/auth"
	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/test/harness"
)

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pem  []byte
}

func newAuthority(t testing.TB, name string) *authority {
	t.Helper()
	a := &authority{}
	a.pem, a.key = issue(t, nil, &x509.Certificate{Subject: pkix.Name{CommonName: name}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign})
	block, _ := pem.Decode(a.pem)
	var err error
	if a.cert, err = x509.ParseCertificate(block.Bytes); err != nil {
		t.Fatal(err)
	}
	return a
}

// issue makes a certificate that by has signed, itself without.
func issue(t testing.TB, by *authority, c *x509.Certificate) ([]byte, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, _ = rand.Int(rand.Reader, big.NewInt(1<<62))
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := c, key
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), key
}

func keyPEM(t testing.TB, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})
}

// server writes a certificate and key of a server into one file.
func (a *authority) server(t testing.TB, file, name string) {
	t.Helper()
	cert, key := issue(t, a, &x509.Certificate{Subject: pkix.Name{CommonName: name}, DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	if err := os.WriteFile(file, append(cert, keyPEM(t, key)...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// client is a TLS configuration that trusts the authority; subject, if any, is of
// the certificate that it shows.
func (a *authority) client(t testing.TB, by *authority, subject *pkix.Name) *tls.Config {
	t.Helper()
	cfg := &tls.Config{RootCAs: x509.NewCertPool()}
	cfg.RootCAs.AddCert(a.cert)
	if subject != nil {
		cert, key := issue(t, by, &x509.Certificate{Subject: *subject, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
		pair, err := tls.X509KeyPair(cert, keyPEM(t, key))
		if err != nil {
			t.Fatal(err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg
}

func TestTLS(t *testing.T) {
	dir := t.TempDir()
	ca, other := newAuthority(t, "ca"), newAuthority(t, "other")
	cert, caFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "ca.pem")
	ca.server(t, cert, "first")
	if err := os.WriteFile(caFile, ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	s := harness.StartWith(t, daemon.Options{Access: daemon.Access{Auth: true, TLS: auth.CertFiles{Cert: cert, CA: caFile}}})
	connect := func(cfg *tls.Config, o *options.ClientOptions) *mongo.Client {
		return s.Client(t, o, options.Client().SetTLSConfig(cfg).SetServerSelectionTimeout(2*time.Second))
	}
	root := connect(ca.client(t, nil, nil), options.Client())
	ok(t, root, "admin", `{createUser: "root", pwd: "secret", roles: ["root"]}`)
	root = connect(ca.client(t, nil, nil), as("root", "secret", "admin", ""))
	ok(t, root, "$external", `{createUser: "CN=ann,OU=dev\\,ops,O=shop", roles: [{role: "read", db: "shop"}]}`)

	ann := &pkix.Name{CommonName: "ann", OrganizationalUnit: []string{"dev,ops"}, Organization: []string{"shop"}}
	byCert := func() *options.ClientOptions {
		return options.Client().SetMaxPoolSize(1).SetAuth(options.Credential{AuthMechanism: "MONGODB-X509"})
	}
	c := connect(ca.client(t, ca, ann), byCert())
	check(t, "ann", c, []expect{{"shop", `{find: "c"}`, 0}, {"shop", `{insert: "c", documents: [{}]}`, 13}, {"other", `{find: "c"}`, 13}})
	r := harness.Run(t, c.Database("admin"), parse(t, `{connectionStatus: 1}`))
	if got := valueAt(r, "authInfo.authenticatedUsers.0"); got != `{"user":"CN=ann,OU=dev\\,ops,O=shop","db":"$external"}` {
		t.Errorf("authenticated as %s", got)
	}
	ben := &pkix.Name{CommonName: "ben"}
	if got := code(t, connect(ca.client(t, ca, ben), byCert()), "shop", `{find: "c"}`); got != 18 {
		t.Errorf("a certificate of nobody: code %d, want 18", got)
	}
	if got := code(t, connect(ca.client(t, nil, nil), byCert()), "shop", `{find: "c"}`); got != 18 {
		t.Errorf("no certificate: code %d, want 18", got)
	}
	claim := options.Client().SetMaxPoolSize(1).SetAuth(options.Credential{AuthMechanism: "MONGODB-X509", Username: `CN=ann,OU=dev\,ops,O=shop`})
	if got := code(t, connect(ca.client(t, ca, ben), claim), "shop", `{find: "c"}`); got != 18 {
		t.Errorf("another one's certificate: code %d, want 18", got)
	}
	if got := code(t, connect(ca.client(t, other, ann), byCert()), "shop", `{find: "c"}`); got != 18 {
		t.Errorf("a certificate of another authority: code %d, want 18", got)
	}
	if connect(other.client(t, nil, nil), options.Client()).Ping(t.Context(), nil) == nil {
		t.Error("a server of another authority is trusted")
	}
	plain, err := mongo.Connect(options.Client().ApplyURI("mongodb://" + s.Addr()).SetServerSelectionTimeout(time.Second))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Disconnect(t.Context()) }()
	if plain.Ping(t.Context(), nil) == nil {
		t.Error("a client without TLS is answered")
	}

	// New certificates: for who connects then, and nobody is cut off.
	subject := func() string {
		t.Helper()
		c, err := tls.Dial("tcp", s.Addr(), ca.client(t, nil, nil))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = c.Close() }()
		return c.ConnectionState().PeerCertificates[0].Subject.CommonName
	}
	if got := subject(); got != "first" {
		t.Errorf("the certificate is %s", got)
	}
	if err := os.WriteFile(cert, []byte("half a file"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Reload()
	if got := subject(); got != "first" {
		t.Errorf("beside a damaged file the certificate is %s", got)
	}
	ca.server(t, cert, "second")
	s.Reload()
	if got := subject(); got != "second" {
		t.Errorf("the new certificate is %s", got)
	}
	ok(t, root, "admin", `{ping: 1}`)
}

func TestClientCertificateRequired(t *testing.T) {
	dir := t.TempDir()
	ca := newAuthority(t, "ca")
	cert, caFile := filepath.Join(dir, "server.pem"), filepath.Join(dir, "ca.pem")
	ca.server(t, cert, "server")
	if err := os.WriteFile(caFile, ca.pem, 0o600); err != nil {
		t.Fatal(err)
	}
	s := harness.StartWith(t, daemon.Options{Access: daemon.Access{TLS: auth.CertFiles{Cert: cert, CA: caFile}, RequireClientCert: true}})
	for _, has := range []bool{true, false} {
		var subject *pkix.Name
		if has {
			subject = &pkix.Name{CommonName: "x"}
		}
		c := s.Client(t, options.Client().SetTLSConfig(ca.client(t, ca, subject)).SetServerSelectionTimeout(2*time.Second))
		if err := c.Ping(t.Context(), nil); (err == nil) != has {
			t.Errorf("with a certificate: %v; ping: %v", has, err)
		}
	}
}

// TestAudit reads what the audit log has of a session.
func TestAudit(t *testing.T) {
	file := filepath.Join(t.TempDir(), "audit.json")
	s, root := guarded(t, daemon.Options{Access: daemon.Access{AuditLog: file}})
	ok(t, root, "shop", `{createUser: "ann", pwd: "hush", roles: ["read"], customData: {a: 1}}`, `{create: "c"}`, `{createIndexes: "c", indexes: [{key: {a: 1}, name: "a_1"}]}`,
		`{updateUser: "ann", pwd: "hush2"}`, `{createBranch: "dev"}`, `{dropIndexes: "c", index: "a_1"}`, `{drop: "c"}`, `{dropUser: "ann"}`)
	_ = code(t, s.Client(t, as("ann", "hush", "shop", "SCRAM-SHA-256")), "shop", `{find: "c"}`)
	ok(t, root, "shop", `{createUser: "ben", pwd: "hush3", roles: ["read"]}`)
	_ = code(t, s.Client(t, as("ben", "hush3", "shop", "SCRAM-SHA-256").SetAppName("till")), "shop", `{insert: "c", documents: [{secret: 1}]}`)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("hush")) || bytes.Contains(data, []byte("storedKey")) {
		t.Errorf("the log shows a password:\n%s", data)
	}
	if fi, _ := os.Stat(file); fi.Mode().Perm() != 0o600 {
		t.Errorf("the log may be read by others: %v", fi.Mode())
	}
	want := []string{ // atype, user, param, result
		`"createUser" [] {"user":"root","db":"admin","roles":["root"]} 0`,
		`"authenticate" [{"user":"root","db":"admin"}] {"user":"root","db":"admin","mechanism":"SCRAM-SHA-256"} 0`,
		`"createUser" [{"user":"root","db":"admin"}] {"user":"ann","db":"shop","customData":{"a":1},"roles":["read"]} 0`,
		`"createCollection" [{"user":"root","db":"admin"}] {"ns":"shop.c"} 0`,
		`"createIndex" [{"user":"root","db":"admin"}] {"ns":"shop.c","indexName":"a_1","indexSpec":{"key":{"a":1},"name":"a_1"}} 0`,
		`"updateUser" [{"user":"root","db":"admin"}] {"user":"ann","db":"shop","passwordChanged":true} 0`,
		`"createBranch" [{"user":"root","db":"admin"}] {"command":"createBranch","ns":"shop","args":{"createBranch":"dev"}} 0`,
		`"dropIndex" [{"user":"root","db":"admin"}] {"ns":"shop.c","indexName":"a_1"} 0`,
		`"dropCollection" [{"user":"root","db":"admin"}] {"ns":"shop.c"} 0`,
		`"dropUser" [{"user":"root","db":"admin"}] {"user":"ann","db":"shop"} 0`,
		`"authenticate" [] {"user":"ann","db":"shop","mechanism":"SCRAM-SHA-256"} 18`,
		`"createUser" [{"user":"root","db":"admin"}] {"user":"ben","db":"shop","roles":["read"]} 0`,
		`"authenticate" [{"user":"ben","db":"shop"}] {"user":"ben","db":"shop","mechanism":"SCRAM-SHA-256"} 0`,
		`"authCheck" [{"user":"ben","db":"shop"}] {"command":"insert","ns":"shop.c","args":{"insert":"c"}} 13`,
	}
	lines := bufio.NewScanner(bytes.NewReader(data))
	for lines.Scan() {
		var d bson.Raw
		if err := bson.UnmarshalExtJSON(lines.Bytes(), false, &d); err != nil {
			t.Fatalf("%s: %v", lines.Bytes(), err)
		}
		got := fmt.Sprintf("%s %s %s %s", valueAt(d, "atype"), valueAt(d, "users"), valueAt(d, "param"), valueAt(d, "result"))
		for i, w := range want { // others may come in between: authentications of the driver's connections
			if w == got {
				want = append(want[:i:i], want[i+1:]...)
				break
			}
		}
		if d.Lookup("remote", "ip").StringValue() != "127.0.0.1" || d.Lookup("local", "port").Int32() == 0 || d.Lookup("ts").Type != bson.TypeDateTime {
			t.Errorf("the ends or the time are missing: %s", lines.Bytes())
		}
	}
	for _, w := range want {
		t.Errorf("missing: %s", w)
	}
	if len(want) > 0 {
		t.Logf("%s", data)
	}

	// A log that was renamed is begun anew.
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	s.Reload()
	ok(t, root, "shop", `{dropUser: "ben"}`)
	if data, err = os.ReadFile(file); err != nil || !bytes.Contains(data, []byte(`"dropUser"`)) {
		t.Errorf("the new log: %s (%v)", data, err)
	}
}
