package auth

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// CertFiles are PEM files. Key may be empty when Cert has the key as well; CA, if
// any, is what clients' certificates must be signed by.
type CertFiles struct{ Cert, Key, CA string }

// Certificates is a TLS configuration that follows its files: a connection that
// begins after a file has changed gets the new ones. Safe for concurrent use.
type Certificates struct {
	files CertFiles
	// require: a client has to show a certificate.
	require bool
	log     *slog.Logger
	mu      sync.Mutex
	config  *tls.Config
	stamps  [3]stamp
}

type stamp struct {
	mod  time.Time
	size int64
}

// LoadCertificates reads the files. With requireClient, clients need a certificate.
func LoadCertificates(f CertFiles, requireClient bool, log *slog.Logger) (*Certificates, error) {
	if f.Key == "" {
		f.Key = f.Cert
	}
	if requireClient && f.CA == "" {
		return nil, errors.New("clients' certificates can only be asked for with a CA file")
	}
	c := &Certificates{files: f, require: requireClient, log: log}
	return c, c.Reload()
}

// Reload reads the files again. After an error the certificates stay as they were.
func (c *Certificates) Reload() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.reloadLocked(c.look())
}

func (c *Certificates) look() (s [3]stamp) {
	for i, name := range []string{c.files.Cert, c.files.Key, c.files.CA} {
		if fi, err := os.Stat(name); name != "" && err == nil {
			s[i] = stamp{fi.ModTime(), fi.Size()}
		}
	}
	return s
}

func (c *Certificates) reloadLocked(now [3]stamp) error {
	pair, err := tls.LoadX509KeyPair(c.files.Cert, c.files.Key)
	if err != nil {
		return fmt.Errorf("cannot load the certificate %s: %w", c.files.Cert, err)
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}
	if c.files.CA != "" {
		pem, err := os.ReadFile(c.files.CA)
		if err != nil {
			return fmt.Errorf("cannot read the CA file: %w", err)
		}
		cfg.ClientCAs = x509.NewCertPool()
		if !cfg.ClientCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("%s has no certificate in PEM format", c.files.CA)
		}
		cfg.ClientAuth = tls.VerifyClientCertIfGiven
		if c.require {
			cfg.ClientAuth = tls.RequireAndVerifyClientCert
		}
	}
	c.config, c.stamps = cfg, now
	return nil
}

// Config returns the configuration for a listener.
func (c *Certificates) Config() *tls.Config {
	return &tls.Config{MinVersion: tls.VersionTLS12, GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.current(), nil }}
}

// current returns the newest configuration. Files that are being replaced do not
// fit together for a moment: then the former ones serve on.
func (c *Certificates) current() *tls.Config {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := c.look(); now != c.stamps {
		if err := c.reloadLocked(now); err != nil {
			c.log.Warn("the changed certificate files cannot be used", "error", err)
		} else {
			c.log.Info("certificates reloaded", "cert", c.files.Cert)
		}
	}
	return c.config
}
