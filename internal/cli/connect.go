package cli

import (
	"fmt"
	"net/url"
	"strings"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
)

func (a *app) connect() *cobra.Command {
	var t target
	cmd := &cobra.Command{
		Use: "connect", Short: "Print the URI of a branch, for any MongoDB driver", Args: exactly(0, "no arguments"),
		Example: "  mongosh \"$(argon connect -p shop -b dev)\"",
		RunE: func(cmd *cobra.Command, _ []string) error {
			db, err := t.dbAt(cmd)
			if err != nil {
				return err
			}
			uri, err := withDatabase(a.uri, db)
			if err != nil {
				return err
			}
			if a.output == "table" {
				fmt.Fprintln(a.Out, uri)
				return nil
			}
			doc, err := bson.Marshal(bson.D{{Key: "uri", Value: uri}, {Key: "database", Value: db}})
			if err != nil {
				return err
			}
			return a.document(doc)
		},
	}
	t.branchFlag(cmd)
	t.pointFlags(cmd)
	return cmd
}

// withDatabase puts a database's name into a connection string. Who authenticates
// does so where the string said before: at its authSource, its database, or admin.
func withDatabase(uri, db string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil {
		return "", usage("--uri %s: %v", redact(uri), errBadURI)
	}
	old := strings.TrimPrefix(u.Path, "/")
	u.Path = "/" + db
	if u.User == nil {
		return u.String(), nil
	}
	u.RawPath = strings.ReplaceAll(u.Path, "@", "%40") // drivers look for the last "@" before the host
	if q := u.Query(); !q.Has("authSource") && q.Get("authMechanism") != "MONGODB-X509" {
		source := old
		if source == "" {
			source = "admin"
		}
		if u.RawQuery != "" {
			u.RawQuery += "&"
		}
		u.RawQuery += "authSource=" + url.QueryEscape(source)
	}
	return u.String(), nil
}
