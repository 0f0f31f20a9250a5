package command

import (
	"context"
	"strings"
	"time"

	"github.com/argon-db/argon/internal/branch"
	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
	"github.com/argon-db/argon/internal/idl"
)

// pointTypes are what a point may be: a string as in a database's name, an LSN,
// or a date.
const pointTypes = idl.String | idl.Number | idl.Date

// point reads an argument that is a point; the zero Point (now) when it was not
// given.
func (rq *Request) point(name string) (branch.Point, error) {
	return pointOf(name, rq.Args.Get(name))
}

func pointOf(name string, v bsonx.Value) (branch.Point, error) {
	switch {
	case bsonx.IsMissing(v):
		return branch.Point{}, nil
	case v.Type == bsonx.String:
		p, err := branch.ParsePoint(string(bsonx.Str(v)))
		if err != nil {
			return p, err
		}
		return p, nil
	case v.Type == bsonx.Date:
		return branch.Point{Kind: branch.PointTime, Time: time.UnixMilli(bsonx.I64(v)).UTC()}, nil
	}
	n, ok := bsonx.IntegralOK(v)
	if !ok || n < 0 {
		return branch.Point{}, errcode.New(errcode.BadValue, "'%s' is not an LSN: a whole number that is not negative", name)
	}
	return branch.Point{Kind: branch.PointLSN, LSN: branch.LSN(n)}, nil
}

// project is the project of the request's database. A branching command runs on
// the project, whichever of its branches the database's name has.
func (rq *Request) project() (string, error) {
	n, err := branch.ParseName(rq.DB)
	return n.Project, err
}

// branchName is the command's first argument.
func (rq *Request) branchName() string { return string(bsonx.Str(rq.Args.At(0))) }

// ttl reads ttlSeconds: a whole, positive number of seconds.
func ttl(v bsonx.Value) (time.Duration, error) {
	n, ok := bsonx.IntegralOK(v)
	if !ok || n <= 0 || n > int64(branch.Forever/time.Second) {
		return 0, errcode.New(errcode.BadValue, "'ttlSeconds' is a whole number of seconds, 1 or more")
	}
	return time.Duration(n) * time.Second, nil
}

// branchRef resolves a branch of the request's project at its head.
func (rq *Request) branchRef(ctx context.Context, name string) (*branch.Ref, error) {
	project, err := rq.project()
	if err != nil {
		return nil, err
	}
	return rq.Services.Branches.ResolveName(ctx, branch.Name{Project: project, Branch: name})
}

func optionalTime(b *bsonx.Builder, key string, t time.Time) {
	if !t.IsZero() {
		b.Date(key, t.UnixMilli())
	}
}

func optionalString(b *bsonx.Builder, key, s string) {
	if s != "" {
		b.String(key, s)
	}
}

// appendBranch writes a branch as createBranch and listBranches show it.
func (rq *Request) appendBranch(b *bsonx.Builder, i *branch.Info) {
	b.String("name", i.Name)
	b.String("project", i.Project)
	b.Int64("timeline", int64(i.Timeline))
	if i.Parent == "" {
		b.Null("parent")
	} else {
		b.String("parent", i.Parent)
	}
	b.Int64("forkLsn", int64(i.ForkLSN))
	optionalTime(b, "forkTime", i.ForkTime)
	b.Int64("headLsn", int64(i.HeadLSN))
	b.Date("createdAt", i.Created.UnixMilli())
	if i.Expires.IsZero() {
		b.Null("expiresAt")
	} else {
		b.Date("expiresAt", i.Expires.UnixMilli())
	}
	b.Bool("protected", i.Protected)
	b.Bool("default", i.Default)
	optionalString(b, "note", i.Note)
	if i.Copy != "" {
		b.Bool(string(i.Copy), true)
	}
	b.String("uri", rq.branchURI(i))
}

// branchURI is where a driver finds the branch: the address that this client
// came to, as far as the server knows it.
func (rq *Request) branchURI(i *branch.Info) string {
	host := rq.Services.Host.Address
	if host == "" {
		host = "127.0.0.1:27017"
	}
	return "mongodb://" + host + "/" + strings.TrimSpace(i.Project) + "~" + i.Name
}
