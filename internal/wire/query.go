package wire

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

// parseQuery reads an OP_QUERY, which drivers still send as their first hello:
// flags, "DB.$cmd", two numbers, the command.
func (m *Message) parseQuery(b []byte) error {
	if len(b) < 4 {
		return ErrProtocol
	}
	ns, b, ok := cstring(b[4:])
	if !ok || len(b) < 8 {
		return ErrProtocol
	}
	doc, rest, err := document(b[8:])
	if err != nil {
		return err
	}
	if len(rest) > 0 { // a field selector
		if _, rest, err = document(rest); err != nil {
			return err
		}
		if len(rest) > 0 {
			return ErrProtocol
		}
	}
	db, isCmd := strings.CutSuffix(string(ns), ".$cmd")
	if !isCmd {
		return errcode.New(5739101, "OP_QUERY is no longer supported. The client driver may require an upgrade.")
	}
	if q := bsonx.Lookup(doc, "$query"); q.Type == bsonx.Object {
		doc = q.Data
	}
	m.DB, m.Body = db, doc
	return nil
}

// cstring takes a NUL-terminated UTF-8 string off the front of b.
func cstring(b []byte) (s, rest []byte, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 || !utf8.Valid(b[:i]) {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}
