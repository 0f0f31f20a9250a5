package cli

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"github.com/argon-db/argon/internal/version"
)

func (a *app) status() *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "Show whether a server answers, and what it holds",
		Args:  exactly(0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.with(cmd.Context(), func(ctx context.Context, c *mongo.Client) error {
				var build, server bson.Raw
				if err := run(ctx, c, "admin", bson.D{{Key: "buildInfo", Value: 1}}, &build); err != nil {
					return err
				}
				var refused mongo.ServerError // a user may not be allowed to see the server's figures
				if err := run(ctx, c, "admin", bson.D{{Key: "serverStatus", Value: 1}}, &server); err != nil && !(errors.As(err, &refused) && refused.HasErrorCode(13)) {
					return err
				}
				projects, err := c.ListDatabaseNames(ctx, bson.D{})
				if err != nil {
					return err
				}
				out := bson.D{
					{Key: "uri", Value: redact(a.uri)},
					{Key: "version", Value: stringOf(build.Lookup("argonVersion"))},
					{Key: "mongodb", Value: stringOf(build.Lookup("version"))},
				}
				if server != nil {
					out = append(out, bson.E{Key: "uptimeSeconds", Value: server.Lookup("uptime")}, bson.E{Key: "connections", Value: server.Lookup("connections", "current")})
				}
				doc, err := bson.Marshal(append(out, bson.E{Key: "projects", Value: int64(len(projects))}))
				if err != nil {
					return err
				}
				return a.document(doc)
			})
		},
	}
}

func (a *app) version() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of this binary",
		Args:  exactly(0, "no arguments"),
		RunE: func(*cobra.Command, []string) error {
			if a.output == "table" {
				fmt.Fprintf(a.Out, "argon %s (as MongoDB %s, %s %s/%s)\n", version.Argon, version.MongoDB, runtime.Version(), runtime.GOOS, runtime.GOARCH)
				return nil
			}
			doc, err := bson.Marshal(bson.D{
				{Key: "version", Value: version.Argon}, {Key: "mongodb", Value: version.MongoDB},
				{Key: "commit", Value: version.Commit()}, {Key: "go", Value: runtime.Version()},
			})
			if err != nil {
				return err
			}
			return a.document(doc)
		},
	}
}

// stringOf is a string of a reply; "" when another server does not send it.
func stringOf(v bson.RawValue) string {
	s, _ := v.StringValueOK()
	return s
}
