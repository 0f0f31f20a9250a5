// Package cases holds what the server is to answer, in files that read like a
// session, and runs them over the wire.
//
// A file of testdata is a list of blocks with an empty line between them. The
// first lines of a file, up to the first block with a command, are for all its
// cases; every other block is a case with a database of its own:
//
//	# what the case shows
//	c: {"_id": 1, "a": [1, 2]} {"_id": 2}        documents of a collection
//	+ index c {"a": 1}                            a command that prepares: it must succeed
//	> find c {"a": 2} {"projection": {"a": 1}}    a command; what it answers follows
//	  {"_id": 1, "a": [1, 2]}
//	> aggregate c [{"$nope": 1}]
//	  error 40324
//	>~ distinct …                                 ~: documents in any order
//
// A command is find COLL FILTER, aggregate COLL PIPELINE, update COLL FILTER UPDATE
// or delete COLL FILTER, each with a document of further fields at the end if need
// be, index COLL KEY for createIndexes, or any command as a document. It answers
// documents, one a line ("nothing" when there are none), "error" and a code, or
// "reply" and the reply without what every reply has. Values are Extended JSON as
// package ejson has it: 1 is an int, 1.0 a double, {"$numberLong": "1"} a long.
// Types and the order of fields count.
//
// `go test ./test/cases -rewrite` writes what the server answers into the files.
package cases
