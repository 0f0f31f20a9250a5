package spec

import (
	"bytes"
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/event"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/readconcern"
	"go.mongodb.org/mongo-driver/v2/mongo/readpref"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
)

// clientEntity is a client and what it was seen to do.
type clientEntity struct {
	*mongo.Client
	mu      sync.Mutex
	ignore  map[string]bool
	events  []seen
	lsids   []any
	closed  bool
	observe map[string]bool
}

type seen struct {
	kind string // of the event, as the format names it
	doc  bson.D
}

type sessionEntity struct {
	*mongo.Session
	lsid bson.Raw
}

// sensitive commands are observed by nobody.
var sensitive = []string{"saslStart", "saslContinue", "authenticate", "getnonce", "createUser", "updateUser", "copydbgetnonce", "copydbsaslstart", "copydb", "configureFailPoint"}

func (r *run) newClient(spec bson.D) error {
	c := &clientEntity{ignore: map[string]bool{}, observe: map[string]bool{}}
	for _, n := range sensitive {
		c.ignore[n] = true
	}
	for _, v := range list(lookup(spec, "ignoreCommandMonitoringEvents")) {
		c.ignore[v.(string)] = true
	}
	for _, v := range list(lookup(spec, "observeEvents")) {
		c.observe[v.(string)] = true
	}
	q := url.Values{}
	for _, e := range docOf(lookup(spec, "uriOptions")) {
		if tags, ok := e.Value.(bson.A); ok {
			for _, t := range tags {
				q.Add(e.Key, fmt.Sprint(t))
			}
			continue
		}
		q.Set(e.Key, fmt.Sprint(e.Value))
	}
	uri := r.suite.uri
	if lookup(spec, "useMultipleMongoses") == true { // two names of the one server
		host := strings.TrimSuffix(strings.TrimPrefix(uri, "mongodb://"), "/")
		uri = "mongodb://" + host + "," + strings.Replace(host, "127.0.0.1", "localhost", 1) + "/"
	}
	o := options.Client().ApplyURI(uri + "?" + q.Encode()).SetMonitor(c.monitor()).SetPoolMonitor(&event.PoolMonitor{Event: c.pool}).
		SetServerMonitor(&event.ServerMonitor{ServerDescriptionChanged: c.description, ServerHeartbeatSucceeded: func(*event.ServerHeartbeatSucceededEvent) { c.see("serverHeartbeatSucceededEvent", bson.D{}) },
			ServerHeartbeatFailed: func(*event.ServerHeartbeatFailedEvent) { c.see("serverHeartbeatFailedEvent", bson.D{}) }})
	if q.Get("serverMonitoringMode") == "" {
		o.SetServerMonitoringMode(options.ServerMonitoringModePoll)
	}
	if q.Get("serverSelectionTimeoutMS") == "" {
		o.SetServerSelectionTimeout(5 * time.Second)
	}
	if api := docOf(lookup(spec, "serverApi")); len(api) > 0 {
		s := options.ServerAPI(options.ServerAPIVersion(lookup(api, "version").(string)))
		if v, ok := lookup(api, "strict").(bool); ok {
			s.SetStrict(v)
		}
		if v, ok := lookup(api, "deprecationErrors").(bool); ok {
			s.SetDeprecationErrors(v)
		}
		o.SetServerAPIOptions(s)
	}
	var err error
	if c.Client, err = mongo.Connect(o); err != nil {
		return err
	}
	r.clients = append(r.clients, c)
	r.entities[lookup(spec, "id").(string)] = c
	return nil
}

func (c *clientEntity) see(kind string, doc bson.D) {
	if !c.observe[kind] {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.events = append(c.events, seen{kind, doc})
	}
}

func (c *clientEntity) seen() []seen {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]seen(nil), c.events...)
}

func (c *clientEntity) monitor() *event.CommandMonitor {
	return &event.CommandMonitor{
		Started: func(_ context.Context, e *event.CommandStartedEvent) {
			if c.ignore[e.CommandName] {
				return
			}
			d := toD(e.Command)
			c.mu.Lock()
			if !c.closed {
				c.lsids = append(c.lsids, lookup(d, "lsid"))
			}
			c.mu.Unlock()
			c.see("commandStartedEvent", bson.D{{Key: "command", Value: d}, {Key: "commandName", Value: e.CommandName}, {Key: "databaseName", Value: e.DatabaseName},
				{Key: "hasServiceId", Value: e.ServiceID != nil}, {Key: "hasServerConnectionId", Value: e.ServerConnectionID != nil}})
		},
		Succeeded: func(_ context.Context, e *event.CommandSucceededEvent) {
			if !c.ignore[e.CommandName] {
				c.see("commandSucceededEvent", bson.D{{Key: "reply", Value: toD(e.Reply)}, {Key: "commandName", Value: e.CommandName}, {Key: "databaseName", Value: e.DatabaseName},
					{Key: "hasServiceId", Value: e.ServiceID != nil}, {Key: "hasServerConnectionId", Value: e.ServerConnectionID != nil}})
			}
		},
		Failed: func(_ context.Context, e *event.CommandFailedEvent) {
			if !c.ignore[e.CommandName] {
				c.see("commandFailedEvent", bson.D{{Key: "commandName", Value: e.CommandName}, {Key: "databaseName", Value: e.DatabaseName},
					{Key: "hasServiceId", Value: e.ServiceID != nil}, {Key: "hasServerConnectionId", Value: e.ServerConnectionID != nil}})
			}
		},
	}
}

func (c *clientEntity) pool(e *event.PoolEvent) {
	names := map[string]string{event.ConnectionPoolCreated: "poolCreatedEvent", event.ConnectionPoolReady: "poolReadyEvent", event.ConnectionPoolCleared: "poolClearedEvent",
		event.ConnectionPoolClosed: "poolClosedEvent", event.ConnectionCreated: "connectionCreatedEvent", event.ConnectionReady: "connectionReadyEvent",
		event.ConnectionClosed: "connectionClosedEvent", event.ConnectionCheckOutStarted: "connectionCheckOutStartedEvent",
		event.ConnectionCheckOutFailed: "connectionCheckOutFailedEvent", event.ConnectionCheckedOut: "connectionCheckedOutEvent", event.ConnectionCheckedIn: "connectionCheckedInEvent"}
	c.see(names[e.Type], bson.D{{Key: "reason", Value: e.Reason}, {Key: "interruptInUseConnections", Value: e.Interruption}})
}

func (c *clientEntity) description(e *event.ServerDescriptionChangedEvent) {
	kind := func(d event.ServerDescription) bson.D { return bson.D{{Key: "type", Value: d.Kind}} }
	c.see("serverDescriptionChangedEvent", bson.D{{Key: "previousDescription", Value: kind(e.PreviousDescription)}, {Key: "newDescription", Value: kind(e.NewDescription)}})
}

// create makes an entity: {kind: {id, …}}.
func (r *run) create(e bson.D) error {
	kind, spec := e[0].Key, docOf(e[0].Value)
	id, _ := lookup(spec, "id").(string)
	switch kind {
	case "client":
		return r.newClient(spec)
	case "database":
		c, err := entity[*clientEntity](r, lookup(spec, "client"))
		if err != nil {
			return err
		}
		o := options.Database()
		err = r.set(o, docOf(lookup(spec, "databaseOptions")))
		r.entities[id] = c.Database(lookup(spec, "databaseName").(string), o)
		return err
	case "collection":
		db, err := entity[*mongo.Database](r, lookup(spec, "database"))
		if err != nil {
			return err
		}
		o := options.Collection()
		err = r.set(o, docOf(lookup(spec, "collectionOptions")))
		r.entities[id] = db.Collection(lookup(spec, "collectionName").(string), o)
		return err
	case "session":
		c, err := entity[*clientEntity](r, lookup(spec, "client"))
		if err != nil {
			return err
		}
		o := options.Session()
		if err := r.set(o, docOf(lookup(spec, "sessionOptions"))); err != nil {
			return err
		}
		s, err := c.StartSession(o)
		if err != nil {
			return err
		}
		r.entities[id] = &sessionEntity{s, append(bson.Raw(nil), s.ID()...)}
		return nil
	case "bucket":
		db, err := entity[*mongo.Database](r, lookup(spec, "database"))
		if err != nil {
			return err
		}
		o := options.GridFSBucket()
		err = r.set(o, docOf(lookup(spec, "bucketOptions")))
		r.entities[id] = db.GridFSBucket(o)
		return err
	case "thread":
		r.entities[id] = newThread()
		return nil
	}
	return fmt.Errorf("an entity %s is not known to the runner", kind)
}

func entity[T any](r *run, name any) (T, error) {
	v, ok := r.entities[fmt.Sprint(name)].(T)
	if !ok {
		return v, fmt.Errorf("%v is not an entity of the kind that is wanted: %T", name, r.entities[fmt.Sprint(name)])
	}
	return v, nil
}

// thread runs operations beside the test's own.
type thread struct {
	work chan func() error
	done chan struct{}
	err  error
}

func newThread() *thread {
	t := &thread{work: make(chan func() error, 100), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		for f := range t.work {
			if err := f(); err != nil && t.err == nil {
				t.err = err
			}
		}
	}()
	return t
}

func (t *thread) wait() error {
	close(t.work)
	select {
	case <-t.done:
		return t.err
	case <-time.After(20 * time.Second):
		return fmt.Errorf("a thread did not end within 20 s")
	}
}

func docOf(v any) bson.D { d, _ := v.(bson.D); return d }
func list(v any) bson.A  { a, _ := v.(bson.A); return a }

func readConcern(v any) *readconcern.ReadConcern {
	l, _ := lookup(docOf(v), "level").(string)
	return &readconcern.ReadConcern{Level: l}
}

func writeConcern(v any) *writeconcern.WriteConcern {
	wc := &writeconcern.WriteConcern{}
	if w, ok := lookup(docOf(v), "w").(string); ok {
		wc.W = w
	} else if w, ok := number(lookup(docOf(v), "w")); ok {
		wc.W = int(w)
	}
	if j, ok := lookup(docOf(v), "journal").(bool); ok {
		wc.Journal = &j
	}
	return wc
}

func readPreference(v any) (*readpref.ReadPref, error) {
	d := docOf(v)
	m, err := readpref.ModeFromString(strings.ToLower(fmt.Sprint(lookup(d, "mode"))))
	if err != nil {
		return nil, err
	}
	var o []readpref.Option
	if s, ok := number(lookup(d, "maxStalenessSeconds")); ok {
		o = append(o, readpref.WithMaxStaleness(time.Duration(s)*time.Second))
	}
	for _, t := range list(lookup(d, "tagSets")) {
		var kv []string
		for _, e := range docOf(t) {
			kv = append(kv, e.Key, fmt.Sprint(e.Value))
		}
		o = append(o, readpref.WithTags(kv...))
	}
	return readpref.New(m, o...)
}

// buffer is what GridFS downloads to.
type buffer = bytes.Buffer
