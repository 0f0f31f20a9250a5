package command

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/catalog"
	"github.com/argon-db/argon/internal/errcode"
)

// isTimeseries reports whether the target is a time-series collection.
func (t *target) isTimeseries() bool { return t.entry != nil && t.entry.Type == catalog.TypeTimeseries }

// metaField is the field of a time-series collection that labels its series; ""
// if it has none.
func (t *target) metaField() string {
	return string(bsonx.Str(bsonx.Lookup(t.entry.Option("timeseries").Data, "metaField")))
}

// mayWriteInTxn: transactions only read time-series and capped collections.
func (s *source) mayWriteInTxn(t *target, what string) error {
	if !s.about.inTxn || !t.isTimeseries() && (t.coll == nil || !t.coll.Capped) {
		return nil
	}
	if !t.isTimeseries() {
		return errcode.New(errcode.OperationNotSupportedInTransaction,
			"Collection '%s' is a capped collection. Writes in transactions are not allowed on capped collections.", t.ns())
	}
	return errcode.New(errcode.OperationNotSupportedInTransaction,
		"Cannot %s a time-series collection in a multi-document transaction: %s", what, t.ns())
}

// checkTimeseries applies MongoDB's limits on changes of measurements: an update
// changes all that match, finds them by the metaField and changes nothing else.
// Deletes are free. Errors: InvalidOptions (72).
func (m *modification) checkTimeseries(t *target) error {
	if !t.isTimeseries() || m.update.Type == bsonx.Missing {
		return nil
	}
	meta := t.metaField()
	switch {
	case m.keepOld || m.keepNew:
		return errcode.New(errcode.InvalidOptions, "Cannot perform a findAndModify with an update on a time-series collection")
	case m.upsert:
		return errcode.New(errcode.InvalidOptions, "Cannot perform an upsert on a time-series collection")
	case !m.multi:
		return errcode.New(errcode.InvalidOptions, "Cannot perform a non-multi update on a time-series collection")
	case meta == "":
		return errcode.New(errcode.InvalidOptions, "Cannot perform an update on a time-series collection that does not have a metaField")
	case m.update.Type == bsonx.Array:
		return errcode.New(errcode.InvalidOptions, "Cannot perform an update on a time-series collection using a pipeline update")
	case !onlyBelow(m.filter, meta, 0):
		return errcode.New(errcode.InvalidOptions,
			"Cannot perform an update on a time-series collection when querying on a field that is not the metaField '%s'", meta)
	}
	for op := bsonx.NewIter(m.update.Data); op.Next(); {
		if op.Key()[0] != '$' {
			return errcode.New(errcode.InvalidOptions, "Cannot perform an update on a time-series collection using a replacement-style update")
		}
		for it := bsonx.NewIter(op.Value().Data); op.Value().Type == bsonx.Object && it.Next(); {
			v := it.Value()
			to := string(op.Key()) == "$rename" && v.Type == bsonx.String && !below(string(bsonx.Str(v)), meta)
			if to || !below(string(it.Key()), meta) {
				return errcode.New(errcode.InvalidOptions,
					"Cannot perform an update on a time-series collection which updates a field that is not the metaField '%s'", meta)
			}
		}
	}
	return nil
}

func below(path, field string) bool { return path == field || strings.HasPrefix(path, field+".") }

// onlyBelow reports whether a filter reads nothing but one field.
func onlyBelow(filter bsonx.Doc, field string, depth int) bool {
	if depth > bsonx.MaxDepth {
		return false
	}
	for it := bsonx.NewIter(filter); it.Next(); {
		switch k := string(it.Key()); {
		case k == "$and" || k == "$or" || k == "$nor":
			for e := bsonx.NewIter(it.Value().Data); e.Next(); {
				if e.Value().Type == bsonx.Object && !onlyBelow(e.Value().Data, field, depth+1) {
					return false
				}
			}
		case k == "$comment":
		case !below(k, field):
			return false
		}
	}
	return true
}

// checkFusion refuses the stages that rank by a search on measurements.
func (t *target) checkFusion(pipeline []bsonx.Doc) error {
	if len(pipeline) == 0 || !t.isTimeseries() && !strings.HasPrefix(t.name, "system.buckets.") {
		return nil
	}
	for _, name := range []string{"$rankFusion", "$scoreFusion"} {
		if !bsonx.IsMissing(bsonx.Lookup(pipeline[0], name)) {
			return errcode.New(10557301, "%s is not supported on the time-series collection %s", name, t.ns())
		}
	}
	return nil
}
