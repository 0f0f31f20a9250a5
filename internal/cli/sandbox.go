package cli

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
)

// sandboxTTL is how long a sandbox lives if nothing else is said.
const sandboxTTL = time.Hour

// sandboxNote begins the note of every sandbox, by which `sandbox list` knows them.
const sandboxNote = "sandbox"

func (a *app) sandbox() *cobra.Command {
	cmd := &cobra.Command{Use: "sandbox", Short: "Make, list, discard, keep and merge sandboxes: branches with a lifetime and a user of their own",
		Long: "A sandbox is a branch with a lifetime and, where the server asks for passwords, a user\nthat may use only it. It ends by itself, unless it is kept or merged.",
		Args: noArguments, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.sandboxCreate(), a.sandboxList(), a.sandboxDiscard(), a.sandboxKeep(), a.sandboxMerge())
	return cmd
}

// made is a sandbox as it is shown.
type made struct {
	Project, Branch, Database, URI string
	User, Password                 string // "" where the server asks for none
	Expires                        bson.RawValue
}

func (m *made) doc() (bson.Raw, error) {
	d := bson.D{{Key: "project", Value: m.Project}, {Key: "branch", Value: m.Branch}, {Key: "database", Value: m.Database}, {Key: "uri", Value: m.URI}}
	if m.User != "" {
		d = append(d, bson.E{Key: "user", Value: m.User}, bson.E{Key: "password", Value: m.Password})
	}
	return bson.Marshal(append(d, bson.E{Key: "expiresAt", Value: m.Expires}))
}

// noUser is said where a sandbox has no user of its own.
const noUser = "The server runs without --auth: no user was made, and whoever reaches the server can use every branch."

func (a *app) sandboxCreate() *cobra.Command {
	var t target
	var n newBranch
	cmd := &cobra.Command{
		Use: "create [NAME]", Short: "Make a sandbox and print its URI", Args: cobra.MaximumNArgs(1),
		Example: "  argon sandbox create -p shop --ttl 1h\n  mongosh \"$(argon sandbox create -p shop --mask users.email=fake)\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			name := "sandbox-" + random(4)
			if len(args) > 0 {
				name = args[0]
			}
			point, err := t.point(cmd)
			if err != nil {
				return err
			}
			m, err := a.makeSandbox(cmd.Context(), &t, &n, name, point)
			if err != nil {
				return err
			}
			if m.User == "" {
				fmt.Fprintln(a.Err, noUser)
			}
			if a.output == "table" {
				fmt.Fprintln(a.Err, "Sandbox "+m.Database+" ends at "+cell(m.Expires)+"; `argon sandbox discard "+m.Branch+" -p "+m.Project+"` ends it now.")
				fmt.Fprintln(a.Out, m.URI)
				return nil
			}
			d, err := m.doc()
			if err != nil {
				return err
			}
			return a.document(d)
		},
	}
	t.projectFlag(cmd)
	t.pointFlags(cmd)
	n.flags(cmd, sandboxTTL)
	return cmd
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// makeSandbox makes the branch and its user.
func (a *app) makeSandbox(ctx context.Context, t *target, n *newBranch, name string, point any) (*made, error) {
	if t.project == "" {
		return nil, usage("name the project with -p")
	}
	if n.ttl <= 0 {
		return nil, usage("a sandbox ends by itself: give it a --ttl")
	}
	if n.note == "" {
		n.note = sandboxNote
	} else {
		n.note = sandboxNote + ": " + n.note
	}
	command, err := n.command(name, point)
	if err != nil {
		return nil, err
	}
	m := &made{Project: t.project, Branch: name, Database: t.project + "~" + name}
	err = a.with(ctx, func(ctx context.Context, c *mongo.Client) error {
		secured, err := asksForUsers(ctx, c)
		if err != nil {
			return err
		}
		var r struct {
			Branch struct {
				Expires bson.RawValue `bson:"expiresAt"`
			} `bson:"branch"`
		}
		if err := run(ctx, c, t.project, command, &r); err != nil {
			return err
		}
		if m.Expires = r.Branch.Expires; !secured {
			return nil
		}
		m.User, m.Password = name, random(16)
		if err := sandboxUser(ctx, c, m); err != nil {
			return errors.Join(err, run(ctx, c, t.project, bson.D{{Key: "dropBranch", Value: name}}, nil))
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.URI, err = m.address(a.uri)
	return m, err
}

// sandboxUser makes the user that may use the sandbox alone, or gives it a new
// password.
func sandboxUser(ctx context.Context, c *mongo.Client, m *made) error {
	roles := bson.A{bson.D{{Key: "role", Value: "readWrite"}, {Key: "db", Value: m.Database}}, bson.D{{Key: "role", Value: "dbAdmin"}, {Key: "db", Value: m.Database}}}
	rest := bson.D{{Key: "pwd", Value: m.Password}, {Key: "roles", Value: roles}, {Key: "customData", Value: bson.D{{Key: "sandbox", Value: m.Branch}}}}
	err := run(ctx, c, m.Project, append(bson.D{{Key: "createUser", Value: m.User}}, rest...), nil)
	var ce mongo.CommandError
	if errors.As(err, &ce) && ce.Code == 51003 { // a sandbox that was there, with --if-not-exists
		return run(ctx, c, m.Project, append(bson.D{{Key: "updateUser", Value: m.User}}, rest...), nil)
	}
	return err
}

// asksForUsers reports whether the server has access control: then this client is
// somebody.
func asksForUsers(ctx context.Context, c *mongo.Client) (bool, error) {
	var r struct {
		AuthInfo struct {
			Users bson.RawValue `bson:"authenticatedUsers"`
		} `bson:"authInfo"`
	}
	if err := run(ctx, c, "admin", bson.D{{Key: "connectionStatus", Value: 1}}, &r); err != nil {
		return false, err
	}
	users, _ := r.AuthInfo.Users.ArrayOK()
	list, err := users.Values()
	return len(list) > 0, err
}

// address is the sandbox's URI: the server's, with the sandbox's user.
func (m *made) address(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", usage("--uri %s: %v", redact(uri), errBadURI)
	}
	u.Path, u.User = "/"+m.Database, nil
	q := u.Query()
	q.Del("authMechanism")
	q.Del("authSource")
	if m.User != "" {
		u.User = url.UserPassword(m.User, m.Password)
		q.Set("authSource", m.Project)
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

var sandboxColumns = []column{field("sandbox", "name"), field("parent", "parent"), field("changes", "ownChanges"),
	field("created", "createdAt"), field("expires", "expiresAt"), field("note", "note")}

func (a *app) sandboxList() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the sandboxes of a project", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			l := a.list(sandboxColumns...)
			filter := bson.D{{Key: "note", Value: bson.Regex{Pattern: "^" + sandboxNote + "(:|$)"}}}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				if err := runCursor(ctx, c, db, bson.D{{Key: "listBranches", Value: 1}, {Key: "filter", Value: filter}}, l.add); err != nil {
					return err
				}
				return l.print()
			})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

func (a *app) sandboxDiscard() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "discard NAME", Aliases: []string{"rm"}, Short: "End a sandbox now: its branch and its user", Args: exactly(1, "the sandbox's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			if err := a.confirm("Discard sandbox " + args[0] + " with all that was written to it?"); err != nil {
				return err
			}
			return a.printReply(cmd, db, bson.D{{Key: "dropBranch", Value: args[0]}})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

func (a *app) sandboxKeep() *cobra.Command {
	var t target
	var name string
	cmd := &cobra.Command{
		Use: "keep NAME", Short: "Make an ordinary branch of a sandbox, which does not end", Args: exactly(1, "the sandbox's name"),
		Long: "Make an ordinary branch of a sandbox, which does not end by itself. Its user stays, unless\nthe branch gets another name with --as.",
		RunE: func(cmd *cobra.Command, args []string) error {
			db, err := t.db()
			if err != nil {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				var reply bson.Raw
				err := run(ctx, c, db, bson.D{{Key: "updateBranch", Value: args[0]}, {Key: "ttlSeconds", Value: nil}, {Key: "note", Value: "kept sandbox"}}, &reply)
				if err == nil && name != "" {
					err = run(ctx, c, db, bson.D{{Key: "renameBranch", Value: args[0]}, {Key: "to", Value: name}}, &reply)
				}
				if err != nil {
					return err
				}
				return a.document(reply.Lookup("branch").Document())
			})
		},
	}
	t.projectFlag(cmd)
	cmd.Flags().StringVar(&name, "as", "", "rename the branch")
	return cmd
}

func (a *app) sandboxMerge() *cobra.Command {
	var m mergeFlags
	var into string
	var keep bool
	cmd := &cobra.Command{
		Use: "merge NAME", Short: "Merge a sandbox into its parent or another branch, and end it; status 3 when it conflicts", Args: exactly(1, "the sandbox's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			command := bson.D{{Key: "mergeBranch", Value: args[0]}}
			if into != "" {
				command = append(command, bson.E{Key: "into", Value: into})
			}
			command, err := m.command(command)
			if err != nil {
				return err
			}
			if err := a.perform(cmd.Context(), m.project, command, "merged "+args[0]); err != nil || m.dryRun || keep {
				return err
			}
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				return run(ctx, c, m.project, bson.D{{Key: "dropBranch", Value: args[0]}}, nil)
			})
		},
	}
	m.projectFlag(cmd)
	m.add(cmd)
	cmd.Flags().StringVar(&into, "into", "", "the branch that is merged into (default: the parent)")
	cmd.Flags().BoolVar(&keep, "keep", false, "do not end the sandbox")
	return cmd
}
