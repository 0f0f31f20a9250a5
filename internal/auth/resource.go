package auth

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// Kind is the kind of a resource.
type Kind uint8

// The kinds of resources.
const (
	// Collections are the collections of databases, and the databases themselves.
	Collections Kind = iota
	// Cluster is the server as a whole.
	Cluster
	// AnyResource is everything.
	AnyResource
	// Buckets are the storage of time series; nothing of Argon's is stored so.
	Buckets
)

// Resource is what a privilege is about. DB is "" for any database, a project, a
// project's branch or a pattern of branches; Collection is "" for any that is not
// a system collection.
type Resource struct {
	Kind           Kind
	DB, Collection string
}

// ParseResource reads a resource document of a privilege.
func ParseResource(d bsonx.Doc) (Resource, error) {
	var r Resource
	var db, coll, named bool
	for it := bsonx.NewIter(d); it.Next(); {
		v := it.Value()
		switch key := string(it.Key()); key {
		case "cluster", "anyResource":
			if v.Type != bsonx.Bool || !bsonx.Truthy(v) {
				return r, errcode.New(errcode.BadValue, "resource pattern field '%s' must be true", key)
			}
			if r.Kind = Cluster; key == "anyResource" {
				r.Kind = AnyResource
			}
			named = true
		case "db", "collection", "system_buckets":
			if v.Type != bsonx.String {
				return r, errcode.New(errcode.TypeMismatch, "BSON field 'resource.%s' is the wrong type '%s', expected type 'string'", key, bsonx.TypeName(v.Type))
			}
			s := string(bsonx.Str(v))
			switch key {
			case "db":
				r.DB, db = s, true
			case "collection":
				r.Collection, coll = s, true
			default:
				r.Kind, r.Collection, coll, named = Buckets, s, true, true
			}
		default:
			return r, errcode.New(40415, "BSON field 'resource.%s' is an unknown field.", key)
		}
	}
	switch {
	case (r.Kind == Cluster || r.Kind == AnyResource) && (db || coll):
		return r, errcode.New(errcode.BadValue, "a resource is the cluster, any resource, or a database and a collection; it cannot be several of these")
	case !named && (!db || !coll):
		return r, errcode.New(errcode.BadValue, "resource must have 'db' and 'collection' set, 'cluster' set, or 'anyResource' set")
	}
	return r, checkPattern(r.DB)
}

// Append writes the resource as a field.
func (r Resource) Append(b *bsonx.Builder, key string) {
	at := b.OpenDoc(key)
	switch r.Kind {
	case Cluster:
		b.Bool("cluster", true)
	case AnyResource:
		b.Bool("anyResource", true)
	case Buckets:
		b.String("db", r.DB)
		b.String("system_buckets", r.Collection)
	default:
		b.String("db", r.DB)
		b.String("collection", r.Collection)
	}
	b.Close(at)
}

// Target is what a command needs a privilege for: a collection, a database
// (Collection ""), a project with all its branches (Whole), or the cluster.
type Target struct {
	Cluster bool
	// Any is every normal collection of every database.
	Any             bool
	Project, Branch string // Branch "" is the default one
	Whole           bool
	Collection      string
	// Tag is the tag that the name of the database has for a point. It may be one of
	// another branch, which then is the target.
	Tag string
}

// ClusterTarget is the server as a whole.
func ClusterTarget() Target { return Target{Cluster: true} }

// AnyTarget is every normal collection of every database.
func AnyTarget() Target { return Target{Any: true} }

// DatabaseTarget is a database as a client names it.
func DatabaseTarget(db string) Target { return CollectionTarget(db, "") }

// CollectionTarget is a collection of a database as a client names it. The point
// after "@" is of no account unless it is a tag: who may read a branch may read its
// past.
func CollectionTarget(db, coll string) Target {
	db, point, _ := strings.Cut(db, "@")
	project, branch, _ := strings.Cut(db, "~")
	return Target{Project: project, Branch: branch, Collection: coll, Tag: tagOf(point)}
}

// TagTarget is the branch that a point is on, when it is a tag.
func TagTarget(db, point string) (t Target, ok bool) {
	t = Target{Project: HomeDB(db), Tag: tagOf(point)}
	return t, t.Tag != ""
}

// tagOf returns a point that is a tag: tags begin with a letter, and nothing else does.
func tagOf(point string) string {
	if point != "" && (point[0]|0x20 >= 'a' && point[0]|0x20 <= 'z') {
		return point
	}
	return ""
}

// ProjectTarget is a project with all its branches.
func ProjectTarget(db string) Target { return Target{Project: HomeDB(db), Whole: true} }

// BranchTarget is one branch ("": the default one) of the project of db.
func BranchTarget(db, branch string) Target { return Target{Project: HomeDB(db), Branch: branch} }

// PatternTarget is the databases that a pattern names ("": all): what a privilege
// that is to be granted is about.
func PatternTarget(db string) Target {
	if db == "" {
		return AnyTarget()
	}
	project, branch, has := strings.Cut(db, "~")
	return Target{Project: project, Branch: branch, Whole: !has}
}

// covers reports whether a privilege on r is one on all of t.
func (r *Resource) covers(t Target, defaultBranch func(string) string) bool {
	switch r.Kind {
	case AnyResource:
		return true
	case Cluster:
		return t.Cluster
	case Buckets:
		return false
	}
	if t.Cluster || !r.coversDB(t, defaultBranch) {
		return false
	}
	if r.Collection == "" {
		return !IsSystem(t.Collection)
	}
	return r.Collection == t.Collection
}

// coversDB reports whether the resource's databases include the target's.
func (r *Resource) coversDB(t Target, defaultBranch func(string) string) bool {
	if r.DB == "" {
		// MongoDB's normal resources leave out local and config.
		return t.Project != "local" && t.Project != "config" || r.Collection != ""
	}
	if t.Any {
		return false
	}
	project, pattern, some := strings.Cut(r.DB, "~")
	if project != t.Project {
		return false
	}
	if !some || pattern == "*" {
		return true
	}
	if t.Whole {
		return false
	}
	branch := t.Branch
	if branch == "" {
		if defaultBranch == nil {
			return false
		}
		branch = defaultBranch(project)
	}
	return glob(pattern, branch)
}

// glob reports whether a pattern, in which each "*" stands for any characters,
// fits all of s. A "*" in s is a character that only a "*" fits, so a pattern is
// within another one when that fits it.
func glob(pattern, s string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == s
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, p := range parts[1 : len(parts)-1] {
		i := strings.Index(s, p)
		if i < 0 {
			return false
		}
		s = s[i+len(p):]
	}
	return true
}

// IsSystem reports whether a collection is one of the system's, which only a
// privilege that names it is about.
func IsSystem(coll string) bool { return strings.HasPrefix(coll, "system.") }
