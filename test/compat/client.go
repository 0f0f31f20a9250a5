package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/argon-db/argon/internal/bsonx"
)

// client speaks OP_MSG over one connection and adds nothing to a command but
// "$db" and a session, as drivers do: what a case says is what the server gets.
type client struct {
	conn net.Conn
	r    *bufio.Reader
	id   uint32
	lsid bsonx.Doc
}

func dial(ctx context.Context, addr string, n byte) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	b := bsonx.NewDoc(nil)
	id := make([]byte, 16)
	id[0], id[6], id[8] = n, 0x40, 0x80 // a version 4 UUID
	binary.LittleEndian.PutUint64(id[8:], uint64(time.Now().UnixNano())|0x80)
	b.Binary("id", 4, id)
	c := &client{conn: conn, r: bufio.NewReaderSize(conn, 1<<16), lsid: b.Done()}
	hello := bsonx.NewDoc(nil)
	hello.Int32("hello", 1)
	_, err = c.run("admin", hello.Done(), time.Minute)
	return c, err
}

func (c *client) close() { _ = c.conn.Close() }

// run sends a command and returns the reply as it came.
func (c *client) run(db string, command bsonx.Doc, timeout time.Duration) (bsonx.Doc, error) {
	var b bsonx.Builder
	b.Begin(nil)
	has := map[string]bool{}
	for it := bsonx.NewIter(command); it.Next(); {
		b.Element(it.Element())
		has[string(it.Key())] = true
	}
	if !has["lsid"] {
		b.Doc("lsid", c.lsid)
	}
	if !has["$db"] {
		b.String("$db", db)
	}
	doc := b.Done()
	c.id++
	msg := make([]byte, 21, 21+len(doc))
	binary.LittleEndian.PutUint32(msg[0:], uint32(21+len(doc)))
	binary.LittleEndian.PutUint32(msg[4:], c.id)
	binary.LittleEndian.PutUint32(msg[12:], 2013)
	msg = append(msg, doc...)
	if err := c.conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	if _, err := c.conn.Write(msg); err != nil {
		return nil, err
	}
	var head [21]byte
	if _, err := io.ReadFull(c.r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[:]))
	if op := binary.LittleEndian.Uint32(head[12:]); op != 2013 || n < 26 || n > 50<<20 {
		return nil, fmt.Errorf("reply has opcode %d and %d bytes", op, n)
	}
	body := make([]byte, n-21)
	_, err := io.ReadFull(c.r, body)
	return body, err
}
