package mask

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/argon-db/argon/internal/bsonx"
)

// redacted writes a value of the same type that says nothing; null where there is
// none.
func redacted(b *bsonx.Builder, key string, v bsonx.Value) {
	switch v.Type {
	case bsonx.String:
		b.String(key, "***")
	case bsonx.Int32:
		b.Int32(key, 0)
	case bsonx.Int64:
		b.Int64(key, 0)
	case bsonx.Double:
		b.Double(key, 0)
	case bsonx.Bool:
		b.Bool(key, false)
	case bsonx.Date:
		b.Date(key, 0)
	default:
		b.Null(key)
	}
}

// hashed writes another value of the same type.
func (r *Rules) hashed(b *bsonx.Builder, key string, v bsonx.Value) {
	whole, isWhole := bsonx.IntegralOK(v)
	sum := r.sum(v)
	n := binary.BigEndian.Uint64(sum[:])
	switch v.Type {
	case bsonx.Int32:
		b.Int32(key, int32(r.permute(whole)))
	case bsonx.Int64:
		b.Int64(key, r.permute(whole))
	case bsonx.Double:
		if isWhole && -1<<53 < whole && whole < 1<<53 {
			b.Double(key, float64(r.permute(whole)))
		} else {
			b.Double(key, float64(n>>11)/1024)
		}
	case bsonx.Bool:
		b.Bool(key, n&1 == 1)
	case bsonx.Date: // within 1970 to 2038
		b.Date(key, int64(n%(1<<31))*1000)
	case bsonx.ObjectID:
		b.Value(key, bsonx.Value{Type: bsonx.ObjectID, Data: append([]byte(nil), sum[:12]...)})
	case bsonx.Timestamp:
		b.Timestamp(key, uint32(n>>33), 1)
	case bsonx.Binary:
		subtype, data, _ := v.BinaryOK()
		b.Binary(key, subtype, stretch(sum, len(data)))
	default:
		b.String(key, hex.EncodeToString(sum[:16]))
	}
}

// stretch returns n bytes made of a sum; beyond its length they repeat.
func stretch(sum [32]byte, n int) []byte {
	out := make([]byte, n)
	for i := range out {
		out[i] = sum[i%len(sum)]
	}
	return out
}

// dice makes choices out of a sum: the same sum, the same choices.
type dice struct {
	sum [32]byte
	at  int
}

func (d *dice) roll(n int) int {
	x := binary.BigEndian.Uint32(d.sum[d.at%29:])
	d.at += 4
	return int(x % uint32(n))
}

func (d *dice) of(list []string) string { return list[d.roll(len(list))] }

func (d *dice) digits(n int) string {
	var s strings.Builder
	for range n {
		s.WriteByte(byte('0' + d.roll(10)))
	}
	return s.String()
}

// tail tells apart what the choices do not.
func (d *dice) tail() string { return hex.EncodeToString(d.sum[28:]) }

// faker makes a text that looks like a kind of thing. It is of nobody.
type faker func(d *dice) string

var fakers = map[string]faker{
	"firstName": func(d *dice) string { return d.of(firstNames) },
	"lastName":  func(d *dice) string { return d.of(lastNames) },
	"name":      func(d *dice) string { return d.of(firstNames) + " " + d.of(lastNames) },
	"email": func(d *dice) string {
		return strings.ToLower(d.of(firstNames)+"."+d.of(lastNames)) + "." + d.tail() + "@example.com"
	},
	"username": func(d *dice) string { return strings.ToLower(d.of(firstNames)) + "_" + d.tail() },
	"phone":    func(d *dice) string { return "+1-555-" + d.digits(3) + "-" + d.digits(4) },
	"street":   func(d *dice) string { return fmt.Sprintf("%d %s Street", 1+d.roll(999), d.of(lastNames)) },
	"city":     func(d *dice) string { return d.of(cities) },
	"zip":      func(d *dice) string { return d.digits(5) },
	"company":  func(d *dice) string { return d.of(lastNames) + " & " + d.of(lastNames) + " Ltd" },
	"ip":       func(d *dice) string { return fmt.Sprintf("192.0.2.%d", d.roll(256)) },
	"url":      func(d *dice) string { return "https://example.com/" + d.tail() },
	"card":     func(d *dice) string { return "0000-" + d.digits(4) + "-" + d.digits(4) + "-" + d.digits(4) },
	"text": func(d *dice) string {
		return strings.ToLower(d.of(lastNames) + " " + d.of(cities) + " " + d.of(lastNames))
	},
}

func fakerNames() string { return strings.Join(slices.Sorted(maps.Keys(fakers)), ", ") }

// hints tell by a part of a field's name what it holds; the first that fits.
var hints = []struct{ part, as string }{
	{"email", "email"}, {"mail", "email"}, {"firstname", "firstName"}, {"givenname", "firstName"},
	{"lastname", "lastName"}, {"surname", "lastName"}, {"familyname", "lastName"}, {"username", "username"},
	{"login", "username"}, {"company", "company"}, {"phone", "phone"}, {"mobile", "phone"}, {"street", "street"},
	{"address", "street"}, {"city", "city"}, {"zip", "zip"}, {"postal", "zip"}, {"card", "card"}, {"url", "url"},
	{"name", "name"},
}

// guess finds the kind of a field by the last part of its path.
func guess(path string) string {
	last := strings.ToLower(path[strings.LastIndexByte(path, '.')+1:])
	last = strings.NewReplacer("_", "", "-", "").Replace(last)
	if last == "ip" {
		return "ip"
	}
	for _, h := range hints {
		if strings.Contains(last, h.part) {
			return h.as
		}
	}
	return "text"
}

var firstNames = []string{"Ada", "Ben", "Cleo", "Dan", "Eve", "Finn", "Gina", "Hugo", "Ines", "Jon", "Kira", "Leo", "Mia", "Nils", "Olga", "Paul", "Quinn", "Rosa", "Sam", "Tara", "Uma", "Vito", "Wanda", "Yuri", "Zoe"}

var lastNames = []string{"Abel", "Brook", "Cole", "Dorn", "Ebert", "Frost", "Gray", "Hale", "Irving", "Jonas", "Keller", "Lund", "Moss", "Nash", "Orth", "Pike", "Reed", "Stone", "Thorn", "Urban", "Vale", "West", "York", "Zeller"}

var cities = []string{"Accra", "Bergen", "Cusco", "Dakar", "Essen", "Faro", "Ghent", "Hanoi", "Izmir", "Jena", "Kyoto", "Lima", "Mainz", "Nantes", "Oslo", "Porto", "Quito", "Riga", "Split", "Turin", "Utrecht", "Varna", "York", "Zadar"}
