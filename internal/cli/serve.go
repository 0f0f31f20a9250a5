package cli

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/argon-db/argon/internal/daemon"
	"github.com/argon-db/argon/internal/script"
)

func (a *app) serve() *cobra.Command {
	var o daemon.Options
	var verbose bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server",
		Long: "Run the server: MongoDB's wire protocol on --listen, HTTP (health, metrics) on --http,\n" +
			"data in --dir. SIGTERM and SIGINT end it in order: running commands are answered first.\n" +
			"SIGHUP reads the certificates again and opens the audit log anew.",
		Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			o.LogTo, o.Args = a.Err, os.Args
			if verbose {
				o.LogLevel = slog.LevelDebug
			}
			s, err := daemon.Start(o)
			if err != nil {
				return err
			}
			_, _ = fmt.Fprintf(a.Out, "argon is ready: %s\n", s.URI())
			hup := make(chan os.Signal, 1)
			signal.Notify(hup, syscall.SIGHUP)
			defer func() { signal.Stop(hup); close(hup) }()
			go func() {
				for range hup {
					s.Reload()
				}
			}()
			return s.Wait(cmd.Context())
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.Dir, "dir", "./argon-data", "directory of the data")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:27017", "address for MongoDB's wire protocol")
	f.StringVar(&o.HTTP, "http", "127.0.0.1:27080", "address for HTTP; empty for none")
	f.IntVar(&o.MaxConnections, "max-connections", 20_000, "how many clients may be connected")
	f.DurationVar(&o.DrainTimeout, "drain-timeout", 15*time.Second, "how long running commands may take to end at a shutdown")
	f.BoolVar(&o.Profile, "pprof", false, "serve Go's profiles under /debug/pprof of the HTTP address")
	f.StringToStringVar(&o.Parameters, "set-parameter", nil, "server parameters as `name=value,…` (see setParameter)")
	f.BoolVar(&o.Auth, "auth", false, "access control: clients have to authenticate")
	f.BoolVar(&o.Insecure, "insecure-no-auth", false, "listen on any address without access control")
	f.StringVar(&o.TLS.Cert, "tls-cert", "", "the server's certificate, a PEM `file` (with it, clients need TLS)")
	f.StringVar(&o.TLS.Key, "tls-key", "", "the certificate's key, a PEM `file` (default: in the certificate's file)")
	f.StringVar(&o.TLS.CA, "tls-ca", "", "a PEM `file` of those who sign clients' certificates")
	f.BoolVar(&o.RequireClientCert, "tls-require-client-cert", false, "clients need a certificate")
	f.StringVar(&o.AuditLog, "audit-log", "", "append who did what to this `file`")
	f.BoolVar(&o.JavaScript, "javascript", false, "run the JavaScript of $function, $accumulator, $where and mapReduce")
	f.BoolVarP(&verbose, "verbose", "v", false, "log more")
	return cmd
}

// scriptWorker is the process that runs JavaScript for the server, which starts it.
func scriptWorker() *cobra.Command {
	return &cobra.Command{Use: script.Verb, Hidden: true, Args: exactly(0, "no arguments"),
		Run: func(*cobra.Command, []string) { script.Main() }}
}
