package bsonx

import (
	"math/rand/v2"
	"testing"

	"github.com/argon-db/argon/test/seed"
)

// TestLookup compares Lookup with a walk over the fields, for names of all
// lengths and bytes.
func TestLookup(t *testing.T) {
	rng := rand.New(rand.NewPCG(seed.Of(t), 1))
	letters := []byte{1, 2, 'a', 'z', 0x7f, 0x80, 0x81, 0xff}
	for range 2000 {
		b := NewDoc(nil)
		var names []string
		for range rng.IntN(6) {
			name := make([]byte, rng.IntN(20))
			for i := range name {
				name[i] = letters[rng.IntN(len(letters))]
			}
			names = append(names, string(name))
			switch rng.IntN(3) {
			case 0:
				b.Int32(string(name), int32(rng.IntN(10)))
			case 1:
				b.String(string(name), "text")
			default:
				b.Close(b.OpenDoc(string(name)))
			}
		}
		doc := b.Done()
		for _, name := range append(names, "a", "") {
			var want Value
			for it := NewIter(doc); it.Next(); {
				if string(it.Key()) == name {
					want = it.Value()
					break
				}
			}
			if got := Lookup(doc, name); got.Type != want.Type || string(got.Data) != string(want.Data) {
				t.Fatalf("%q in %x: got %v %x, want %v %x", name, doc, got.Type, got.Data, want.Type, want.Data)
			}
		}
	}
}
