package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"golang.org/x/term"
)

func (a *app) user() *cobra.Command {
	cmd := &cobra.Command{Use: "user", Short: "List, create, change and delete users", Args: noArguments,
		Long: "Users belong to a project (-p), or to the whole server (without -p, on admin). Access control\n" +
			"is on when the server runs with --auth; the first user can be made from the server's machine.",
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	cmd.AddCommand(a.userList(), a.userCreate(), a.userPassword(), a.userDelete())
	return cmd
}

// home is the database of the target's users.
func (t *target) home() string {
	if t.project == "" {
		return "admin"
	}
	return t.project
}

func (a *app) userList() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "list", Aliases: []string{"ls"}, Short: "List the users of a project, or all", Args: exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var arg any = 1
			if t.project == "" {
				arg = bson.D{{Key: "forAllDBs", Value: true}}
			}
			l := a.list(field("user", "user"), field("project", "db"), column{"roles", roles})
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				var r struct{ Users []bson.Raw }
				if err := run(ctx, c, t.home(), bson.D{{Key: "usersInfo", Value: arg}}, &r); err != nil {
					return err
				}
				for _, d := range r.Users {
					if err := l.add(d); err != nil {
						return err
					}
				}
				return l.print()
			})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

// roles joins a user's roles as --role takes them.
func roles(d bson.Raw) string {
	list, _ := d.Lookup("roles").ArrayOK()
	values, _ := list.Values()
	out := make([]string, 0, len(values))
	for _, v := range values {
		out = append(out, stringOf(v.Document().Lookup("role"))+"@"+stringOf(v.Document().Lookup("db")))
	}
	return strings.Join(out, " ")
}

func (a *app) userCreate() *cobra.Command {
	var t target
	var names []string
	var stdin bool
	cmd := &cobra.Command{
		Use: "create NAME", Short: "Create a user", Args: exactly(1, "the user's name"),
		Example: "  argon user create admin --role root\n  argon user create ann -p shop --role readWrite@shop~dev-* --role read",
		RunE: func(cmd *cobra.Command, args []string) error {
			list := bson.A{}
			for _, n := range names {
				role, db, has := strings.Cut(n, "@")
				if !has {
					db = t.home()
				}
				if role == "" || db == "" {
					return usage("--role is ROLE or ROLE@PROJECT, not %q", n)
				}
				list = append(list, bson.D{{Key: "role", Value: role}, {Key: "db", Value: db}})
			}
			pwd, err := a.password(stdin)
			if err != nil {
				return err
			}
			return a.printReply(cmd, t.home(), bson.D{{Key: "createUser", Value: args[0]}, {Key: "pwd", Value: pwd}, {Key: "roles", Value: list}})
		},
	}
	t.projectFlag(cmd)
	cmd.Flags().StringArrayVar(&names, "role", nil, "a role as `ROLE[@PROJECT[~BRANCHES]]`; again for more")
	passwordFlag(cmd, &stdin)
	return cmd
}

func (a *app) userPassword() *cobra.Command {
	var t target
	var stdin bool
	cmd := &cobra.Command{
		Use: "password NAME", Aliases: []string{"passwd"}, Short: "Change a user's password", Args: exactly(1, "the user's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			pwd, err := a.password(stdin)
			if err != nil {
				return err
			}
			return a.printReply(cmd, t.home(), bson.D{{Key: "updateUser", Value: args[0]}, {Key: "pwd", Value: pwd}})
		},
	}
	t.projectFlag(cmd)
	passwordFlag(cmd, &stdin)
	return cmd
}

func (a *app) userDelete() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "delete NAME", Aliases: []string{"rm"}, Short: "Delete a user; its connections can do nothing more", Args: exactly(1, "the user's name"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.confirm("Delete user " + args[0] + "@" + t.home() + "?"); err != nil {
				return err
			}
			return a.printReply(cmd, t.home(), bson.D{{Key: "dropUser", Value: args[0]}})
		},
	}
	t.projectFlag(cmd)
	return cmd
}

func passwordFlag(cmd *cobra.Command, stdin *bool) {
	cmd.Flags().BoolVar(stdin, "password-stdin", false, "read the password from the first line of standard input")
}

// password reads a new password: twice from a terminal, without showing it, or once
// from standard input.
func (a *app) password(stdin bool) (string, error) {
	if stdin {
		line, err := bufio.NewReader(a.In).ReadString('\n')
		if pwd := strings.TrimRight(line, "\r\n"); pwd != "" {
			return pwd, nil
		}
		return "", errors.Join(usage("there is no password on standard input"), err)
	}
	f, ok := a.In.(*os.File)
	if !ok || !isTerminal(a.In) {
		return "", usage("there is no terminal to ask for the password: give it with --password-stdin")
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(a.Err, prompt)
		pwd, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(a.Err)
		return string(pwd), err
	}
	pwd, err := ask("New password: ")
	if err != nil {
		return "", err
	}
	again, err := ask("Again: ")
	if err != nil {
		return "", err
	}
	if pwd != again {
		return "", errors.New("the two are not the same; nothing was changed")
	}
	return pwd, nil
}
