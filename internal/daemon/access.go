package daemon

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"github.com/argon-db/argon/internal/auth"
)

// Access says who may connect and how.
type Access struct {
	// Auth turns access control on. Without it the server listens on a loopback
	// address only, unless Insecure is set.
	Auth, Insecure bool
	// TLS, when it names a certificate, is what every connection has to begin with.
	TLS auth.CertFiles
	// RequireClientCert: clients need a certificate that TLS.CA has signed.
	RequireClientCert bool
	// AuditLog is the file of the audit log; "" for none.
	AuditLog string
}

// check refuses what would leave the data open to a network. Profiles, which show
// the memory of the server, are never for other machines.
func (o *Options) check() error {
	a, listen := &o.Access, o.Listen
	switch local, err := isLocal(o.HTTP); {
	case o.Profile && o.HTTP != "" && err != nil:
		return err
	case o.Profile && o.HTTP != "" && !local:
		return fmt.Errorf("--pprof shows the server's memory, and %s can be reached from other machines: choose a loopback address for --http", o.HTTP)
	case a.Auth && a.Insecure:
		return errors.New("--auth and --insecure-no-auth exclude each other")
	case a.TLS.Cert == "" && (a.TLS.Key != "" || a.TLS.CA != "" || a.RequireClientCert):
		return errors.New("TLS needs the server's own certificate: name it with --tls-cert")
	case a.Auth || a.Insecure:
		return nil
	}
	if local, err := isLocal(listen); err != nil || local {
		return err
	}
	return fmt.Errorf("%s can be reached from other machines, and everyone could read and change all data: add --auth, or --insecure-no-auth if that is what you want", listen)
}

// isLocal reports whether only the machine itself reaches an address.
func isLocal(hostPort string) (bool, error) {
	addr, err := net.ResolveTCPAddr("tcp", hostPort)
	if err != nil {
		return false, fmt.Errorf("cannot listen on %s: %w", hostPort, err)
	}
	return addr.IP.IsLoopback(), nil
}

// control turns on what the options say of access.
func (s *Server) control() (err error) {
	a := &s.o.Access
	sv := s.services
	sv.AuthRequired = a.Auth
	if a.AuditLog != "" {
		if sv.Audit, err = auth.OpenAudit(a.AuditLog, s.log); err != nil {
			return fmt.Errorf("cannot open the audit log: %w", err)
		}
		s.closers = append(s.closers, sv.Audit.Close)
	}
	if a.TLS.Cert != "" {
		if s.certs, err = auth.LoadCertificates(a.TLS, a.RequireClientCert, s.log); err != nil {
			return err
		}
		sv.RotateCertificates = s.certs.Reload
	}
	switch {
	case a.Insecure:
		s.log.Warn("access control is off: whoever reaches the server can read and change all data", "listen", s.o.Listen)
	case a.Auth && sv.Users.Empty():
		s.log.Warn("there is no user yet: create the first one from this machine (createUser on admin)")
	}
	return nil
}

func (s *Server) tls() *tls.Config {
	if s.certs == nil {
		return nil
	}
	return s.certs.Config()
}

// Reload reads the certificates again and opens the audit log anew. What cannot be
// read stays as it was.
func (s *Server) Reload() {
	if s.certs != nil {
		if err := s.certs.Reload(); err != nil {
			s.log.Error("the certificates stay as they were", "error", err)
		} else {
			s.log.Info("certificates reloaded", "cert", s.o.TLS.Cert)
		}
	}
	if err := s.services.Audit.Reopen(); err != nil {
		s.log.Error("the audit log stays open as it was", "error", err)
	}
}
