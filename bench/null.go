package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"io"
	"net"

	"github.com/argon-db/argon/internal/bsonx"
)

// serveNull answers every command with a constant: the floor that the protocol
// and the driver set.
func serveNull(ctx context.Context, addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	go func() {
		<-ctx.Done()
		_ = l.Close()
	}()
	for {
		conn, err := l.Accept()
		if err != nil {
			return nil //nolint:nilerr // closed by the end of the context
		}
		go answer(conn)
	}
}

func answer(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReaderSize(conn, 1<<16)
	hello, insert, find := nullHello(), nullInsert(), nullFind()
	var buf, out []byte
	for {
		var head [16]byte
		if _, err := io.ReadFull(r, head[:]); err != nil {
			return
		}
		n := int(binary.LittleEndian.Uint32(head[:]))
		if n < 16 || n > 48<<20 {
			return
		}
		if cap(buf) < n {
			buf = make([]byte, n)
		}
		body := buf[:n-16]
		if _, err := io.ReadFull(r, body); err != nil {
			return
		}
		legacy := binary.LittleEndian.Uint32(head[12:]) == 2004
		reply := hello
		if !legacy && len(body) > 10 {
			switch body[10] { // the first letter of the command's name
			case 'i':
				if len(body) > 11 && body[11] == 'n' {
					reply = insert
				}
			case 'f':
				reply = find
			}
		}
		out = appendReply(out[:0], reply, head[4:8], legacy)
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func appendReply(dst []byte, doc bsonx.Doc, requestID []byte, legacy bool) []byte {
	prefix, op := 21, uint32(2013)
	if legacy {
		prefix, op = 36, 1
	}
	dst = append(dst, make([]byte, prefix)...)
	binary.LittleEndian.PutUint32(dst, uint32(prefix+len(doc)))
	copy(dst[8:12], requestID)
	binary.LittleEndian.PutUint32(dst[12:], op)
	if legacy {
		binary.LittleEndian.PutUint32(dst[32:], 1)
	}
	return append(dst, doc...)
}

func nullHello() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Bool("ismaster", true)
	b.Bool("isWritablePrimary", true)
	b.String("msg", "isdbgrid")
	b.Bool("helloOk", true)
	b.Int32("maxBsonObjectSize", 16<<20)
	b.Int32("maxMessageSizeBytes", 48000000)
	b.Int32("maxWriteBatchSize", 100000)
	b.Int32("minWireVersion", 0)
	b.Int32("maxWireVersion", 25)
	b.Int32("logicalSessionTimeoutMinutes", 30)
	b.Double("ok", 1)
	return b.Done()
}

func nullInsert() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int32("n", 1)
	b.Double("ok", 1)
	return b.Done()
}

func nullFind() bsonx.Doc {
	b := bsonx.NewDoc(nil)
	at := b.OpenDoc("cursor")
	batch := b.OpenArray("firstBatch")
	b.Doc("0", document(1))
	b.Close(batch)
	b.Int64("id", 0)
	b.String("ns", "bench.c")
	b.Close(at)
	b.Double("ok", 1)
	return b.Done()
}

// document makes the benchmarks' document: about 300 bytes.
func document(id int64) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	b.Int64("_id", id)
	b.String("name", "customer number something or other")
	b.String("city", cities[id%int64(len(cities))])
	b.Int32("age", int32(18+id%70))
	b.Double("balance", float64(id%100000)/7)
	b.Int64("seq", id)
	at := b.OpenDoc("address")
	b.String("street", "1 Some Street, in some quarter of the town")
	b.String("zip", "12345-6789")
	b.Close(at)
	tags := b.OpenArray("tags")
	b.String("0", "alpha")
	b.String("1", "beta")
	b.Close(tags)
	b.Date("created", 1764000000000+id)
	b.Bool("active", id%2 == 0)
	return b.Done()
}

var cities = []string{"Lisbon", "Oslo", "Lima", "Accra", "Hanoi", "Quito", "Turin", "Perth", "Sofia", "Dakar"}
