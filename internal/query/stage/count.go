package stage

import (
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// parseCount makes {$group: {_id: {}, FIELD: {$sum: 1}}} and a $project of $count.
func parseCount(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	field, ok := stringOf(arg)
	switch {
	case !ok || field == "":
		if ok {
			return nil, errcode.New(40157, "the count field must be a non-empty string")
		}
		return nil, errcode.New(40156, "the count field must be a non-empty string")
	case field[0] == '$':
		return nil, errcode.New(40158, "the count field cannot be a $-prefixed path")
	case strings.IndexByte(field, 0) >= 0:
		return nil, errcode.New(40159, "the count field cannot contain a null byte")
	case strings.IndexByte(field, '.') >= 0:
		return nil, errcode.New(40160, "the count field cannot contain '.'")
	case field == "_id":
		return nil, errcode.New(9039800, "the count field cannot be '_id'")
	}
	group := bsonx.NewDoc(nil)
	at := group.OpenDoc("_id")
	group.Close(at)
	at = group.OpenDoc(field)
	group.Int32("$sum", 1)
	group.Close(at)
	out, err := parseGroup(bsonx.DocValue(group.Done()), pc)
	if err != nil {
		return nil, err
	}
	keep := bsonx.NewDoc(nil)
	keep.Bool("_id", false)
	proj, err := projecting("$project", compileProject)(bsonx.DocValue(keep.Done()), pc)
	return append(out, proj...), err
}

// parseSortByCount makes {$group: {_id: EXPRESSION, count: {$sum: 1}}} and
// {$sort: {count: -1}} of $sortByCount.
func parseSortByCount(arg bsonx.Value, pc *ParseContext) ([]Stage, error) {
	switch arg.Type {
	case bsonx.Object:
		if !isExpression(arg) {
			return nil, errcode.New(40147, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object")
		}
	case bsonx.String:
		if !isExpression(arg) {
			return nil, errcode.New(40148, "the sortByCount field must be defined as a $-prefixed path or an expression inside an object")
		}
	default:
		return nil, errcode.New(40149, "the sortByCount field must be specified as a string or as an object, but found %s", bsonx.TypeName(arg.Type))
	}
	group := bsonx.NewDoc(nil)
	group.Value("_id", arg)
	at := group.OpenDoc("count")
	group.Int32("$sum", 1)
	group.Close(at)
	out, err := parseGroup(bsonx.DocValue(group.Done()), pc)
	if err != nil {
		return nil, err
	}
	order := bsonx.NewDoc(nil)
	order.Int32("count", -1)
	s, err := parseSort(bsonx.DocValue(order.Done()), pc)
	return append(out, s...), err
}
