package server

import (
	"net"
	"runtime"
	"testing"
	"time"
)

// TestHasClosed: a connection whose other end is closed is known without a read,
// and what came before stays to be read.
func TestHasClosed(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not told on this system")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	nc, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if hasClosed(nc) {
		t.Error("an idle connection is taken for closed")
	}
	if _, err := client.Write([]byte{7}); err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	for range 2 {
		if hasClosed(nc) {
			t.Error("a connection with something to read is taken for closed")
		}
	}
	if n, err := nc.Read(b[:]); n != 1 || err != nil || b[0] != 7 {
		t.Fatalf("read %d bytes, %v", n, err)
	}
	client.Close()
	for !hasClosed(nc) {
		time.Sleep(time.Millisecond)
	}
}
