package cli

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/x/mongo/driver/topology"
)

// connectTimeout is how long a verb looks for the server.
const connectTimeout = 3 * time.Second

// with runs do with a client of the server.
func (a *app) with(ctx context.Context, do func(ctx context.Context, c *mongo.Client) error) error {
	c, err := mongo.Connect(options.Client().ApplyURI(a.uri).
		SetAppName("argon").SetServerSelectionTimeout(connectTimeout).SetConnectTimeout(connectTimeout))
	if err != nil {
		return usage("--uri %s: %v", redact(a.uri), err)
	}
	defer func() { _ = c.Disconnect(context.WithoutCancel(ctx)) }()
	return do(ctx, c)
}

// run sends a command to a database and decodes its reply into out (nil: drop it).
func run(ctx context.Context, c *mongo.Client, db string, cmd bson.D, out any) error {
	r := c.Database(db).RunCommand(ctx, cmd)
	if out == nil {
		return r.Err()
	}
	return r.Decode(out)
}

// runCursor sends a command that answers with a cursor and calls each with every
// document.
func runCursor(ctx context.Context, c *mongo.Client, db string, cmd bson.D, each func(bson.Raw) error) error {
	cur, err := c.Database(db).RunCommandCursor(ctx, cmd)
	if err != nil {
		return err
	}
	defer func() { _ = cur.Close(ctx) }()
	for cur.Next(ctx) {
		if err := each(cur.Current); err != nil {
			return err
		}
	}
	return cur.Err()
}

// explain turns an error into one line for a person.
func (a *app) explain(err error) string {
	if text := err.Error(); strings.Contains(text, "(AuthenticationFailed)") {
		return fmt.Sprintf("%s does not know this user with this password (AuthenticationFailed); the user's project goes into the URI as authSource, admin without", redact(a.uri))
	}
	var ce mongo.CommandError
	if errors.As(err, &ce) {
		if strings.HasSuffix(ce.Message, "requires authentication") {
			return fmt.Sprintf("%s (%s); name a user: --uri 'mongodb://USER:PASSWORD@HOST/?authSource=admin', or ARGON_URI", ce.Message, ce.Name)
		}
		return fmt.Sprintf("%s (%s)", ce.Message, ce.Name)
	}
	var sel topology.ServerSelectionError
	if errors.As(err, &sel) || mongo.IsTimeout(err) {
		if text := err.Error(); strings.Contains(text, "x509:") || strings.Contains(text, "tls:") {
			return fmt.Sprintf("no TLS with %s: %s", redact(a.uri), tlsReason(text))
		} else if strings.Contains(text, "incomplete read of message header") {
			return fmt.Sprintf("what answers at %s hangs up: a server that wants TLS does; add tls=true to --uri", redact(a.uri))
		}
		return fmt.Sprintf("no server answers at %s; start one with `argon serve`, or name another with --uri", redact(a.uri))
	}
	return err.Error()
}

// tlsReason is what TLS itself says in a driver's error.
func tlsReason(text string) string {
	for _, mark := range []string{"x509: ", "tls: "} {
		if i := strings.Index(text, mark); i >= 0 {
			reason, _, _ := strings.Cut(text[i:], " }")
			return strings.TrimSpace(reason)
		}
	}
	return text
}

// errBadURI stands for an error that would repeat the string.
var errBadURI = errors.New("it is not a connection string")

// redact hides the password of a connection string, and all of what cannot be read.
func redact(uri string) string {
	u, err := url.Parse(uri)
	if err != nil {
		return "(an unreadable URI)"
	}
	return u.Redacted()
}

// target says which project, branch and point a verb is about.
type target struct {
	project, branch, at, when string
	lsn                       int64
}

func (t *target) projectFlag(cmd *cobra.Command) {
	cmd.Flags().StringVarP(&t.project, "project", "p", "", "project (database)")
}

func (t *target) branchFlag(cmd *cobra.Command) {
	t.projectFlag(cmd)
	cmd.Flags().StringVarP(&t.branch, "branch", "b", "", "branch (default: the project's default branch)")
}

func (t *target) pointFlags(cmd *cobra.Command) {
	cmd.Flags().Int64Var(&t.lsn, "lsn", 0, "point: a log sequence number")
	cmd.Flags().StringVar(&t.when, "time", "", "point: a time in ISO 8601, UTC")
	cmd.Flags().StringVar(&t.at, "at", "", "point: an LSN, a time, a tag, or an age such as -15m")
}

// db is the target's database without a point.
func (t *target) db() (string, error) {
	if t.project == "" {
		return "", usage("name the project with -p")
	}
	if t.branch == "" {
		return t.project, nil
	}
	return t.project + "~" + t.branch, nil
}

// name is the target's branch as a command's argument.
func (t *target) name() string {
	if t.branch == "" {
		return "main"
	}
	return t.branch
}

// point returns the point that the flags give, nil when there is none.
func (t *target) point(cmd *cobra.Command) (any, error) {
	n := 0
	var p any
	if cmd.Flags().Changed("lsn") {
		n, p = n+1, t.lsn
		if t.lsn < 0 {
			return nil, usage("--lsn is not negative")
		}
	}
	if t.when != "" {
		n, p = n+1, t.when
	}
	if t.at != "" {
		n, p = n+1, t.at
	}
	if n > 1 {
		return nil, usage("--lsn, --time and --at exclude each other")
	}
	return p, nil
}

// dbAt is the target's database with its point, if it has one.
func (t *target) dbAt(cmd *cobra.Command) (string, error) {
	db, err := t.db()
	if err != nil {
		return "", err
	}
	p, err := t.point(cmd)
	if err != nil || p == nil {
		return db, err
	}
	switch v := p.(type) {
	case int64:
		return db + "@" + strconv.FormatInt(v, 10), nil
	default:
		return db + "@" + strings.TrimSpace(fmt.Sprint(v)), nil
	}
}

// confirm asks before something destructive. Without a terminal --yes is needed.
func (a *app) confirm(question string) error {
	if a.yes {
		return nil
	}
	if !isTerminal(a.In) {
		return usage("%s Say so with --yes.", question)
	}
	fmt.Fprintf(a.Err, "%s [y/N] ", question)
	var answer string
	_, _ = fmt.Fscanln(a.In, &answer)
	if s := strings.ToLower(answer); s == "y" || s == "yes" {
		return nil
	}
	return errors.New("nothing was changed")
}
