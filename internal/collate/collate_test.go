package collate

import (
	"bytes"
	"strings"
	"testing"

	"github.com/argon-db/argon/internal/bsonx"
	"github.com/argon-db/argon/internal/errcode"
)

func spec(fields ...any) bsonx.Doc {
	b := bsonx.NewDoc(nil)
	for i := 0; i < len(fields); i += 2 {
		k := fields[i].(string)
		switch v := fields[i+1].(type) {
		case string:
			b.String(k, v)
		case int:
			b.Int32(k, int32(v))
		case float64:
			b.Double(k, v)
		case bool:
			b.Bool(k, v)
		case nil:
			b.Null(k)
		}
	}
	return b.Done()
}

// Strings in their order: "<" before a string that is greater than the one
// before, "=" before one that is equal.
func TestOrder(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  bsonx.Doc
		order []string
	}{
		{"tertiary", spec("locale", "en"), []string{"a", "<A", "<á", "<b", "<B"}},
		{"secondary", spec("locale", "en", "strength", 2), []string{"a", "=A", "<á", "=Á", "<b"}},
		{"primary", spec("locale", "en", "strength", 1), []string{"a", "=A", "=á", "<b"}},
		{"composed", spec("locale", "en"), []string{"é", "=e\u0301"}},
		{"ligature", spec("locale", "en"), []string{"fi", "<\ufb01"}},
		{"case level 1", spec("locale", "en", "strength", 1, "caseLevel", true), []string{"a", "=á", "<A", "=Á", "<b"}},
		{"case level 2", spec("locale", "en", "strength", 2, "caseLevel", true), []string{"a", "<A", "<á", "<Á", "<b"}},
		{"upper first", spec("locale", "en", "caseFirst", "upper"), []string{"A", "<a", "<Á", "<á", "<B"}},
		{"lower first", spec("locale", "en", "caseFirst", "lower"), []string{"a", "<A", "<B"}},
		{"words, upper first", spec("locale", "en", "caseFirst", "upper"), []string{"Ab", "<ab", "<Ac", "<ac"}},
		{"numeric", spec("locale", "en", "numericOrdering", true), []string{"a2", "<a10", "<a010b", "<a100"}},
		{"not numeric", spec("locale", "en"), []string{"a10", "<a100", "<a2"}},
		{"punctuation counts", spec("locale", "en"), []string{"a b", "<a-b", "<ab"}},
		{"shifted", spec("locale", "en", "alternate", "shifted"), []string{"a b", "=a-b", "=ab", "<abc", "<b-a"}},
		{"shifted, 4 levels", spec("locale", "en", "alternate", "shifted", "strength", 4), []string{"a b", "<a-b", "<ab"}},
		{"shifted space", spec("locale", "en", "alternate", "shifted", "maxVariable", "space"), []string{"a-b", "<a b", "=ab"}},
		{"symbols are not punctuation", spec("locale", "en", "alternate", "shifted"), []string{"a$b", "<ab"}},
		{"Thai ignores punctuation", spec("locale", "th", "strength", 1), []string{"a b", "=ab", "=a-b"}},
		{"Japanese, 4 levels", spec("locale", "ja", "strength", 4), []string{"あ", "<ア"}},
		{"Japanese", spec("locale", "ja"), []string{"あ", "=ア"}},
		{"ignorable", spec("locale", "en", "alternate", "shifted", "strength", 4), []string{"ab", "=a\u200bb", "=a\u00adb"}},
		{"numbers of more than 254 digits", spec("locale", "en", "numericOrdering", true),
			[]string{strings.Repeat("1", 255), "<" + strings.Repeat("9", 254), "<" + strings.Repeat("9", 255)}},
		{"no-break space", spec("locale", "en", "alternate", "shifted", "maxVariable", "space"), []string{"a\u00a0b", "<ab"}},
		{"identical", spec("locale", "en", "strength", 5), []string{"é", "=e\u0301", "<f"}},
		{"forwards", spec("locale", "fr"), []string{"cote", "<coté", "<côte", "<côté"}},
		{"backwards", spec("locale", "fr", "backwards", true), []string{"cote", "<côte", "<coté", "<côté"}},
		{"Canadian French", spec("locale", "fr_CA"), []string{"cote", "<côte", "<coté", "<côté"}},
		{"German", spec("locale", "de"), []string{"a", "<ä", "<af", "<b", "<z"}},
		{"German phone book", spec("locale", "de@collation=phonebook"), []string{"ad", "<ä", "<af", "<b"}},
		{"Swedish", spec("locale", "sv"), []string{"z", "<å", "<ä", "<ö"}},
		{"POSIX", spec("locale", "en_US_POSIX", "strength", 1), []string{"A", "<B", "<a"}},
		{"empty is first", spec("locale", "en"), []string{"", "<a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			coll, err := Parse(c.spec)
			if err != nil {
				t.Fatal(err)
			}
			prev := coll.Key([]byte(c.order[0]))
			for i, s := range c.order[1:] {
				key := coll.Key([]byte(s[1:]))
				want := -1
				if s[0] == '=' {
					want = 0
				}
				if got := bytes.Compare(prev, key); got != want {
					t.Errorf("%q then %q: got %d, want %d\n%x\n%x", c.order[i], s, got, want, prev, key)
				}
				prev = key
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct {
		spec bsonx.Doc
		code errcode.Code
	}{
		{spec("strength", 2), 40414},
		{spec("locale", "en", "Strength", 2), 40415},
		{spec("locale", 1), errcode.TypeMismatch},
		{spec("locale", "xx_invalid"), errcode.BadValue},
		{spec("locale", ""), errcode.BadValue},
		{spec("locale", "en", "strength", 0), errcode.BadValue},
		{spec("locale", "en", "strength", 6), errcode.BadValue},
		{spec("locale", "en", "strength", "3"), errcode.TypeMismatch},
		{spec("locale", "en", "backwards", nil), errcode.TypeMismatch},
		{spec("locale", "en", "version", "1"), errcode.IncompatibleCollationVersion},
		{spec("locale", "en", "strength", 2, "caseFirst", "upper"), errcode.BadValue},
		{spec("locale", "en", "alternate", "x"), errcode.BadValue},
	} {
		if _, err := Parse(c.spec); !errcode.Has(err, c.code) {
			t.Errorf("%s: got %v, want %v", c.spec, err, c.code)
		}
	}
	for _, ok := range []bsonx.Doc{
		spec("locale", "en", "strength", 2.9),
		spec("locale", "en", "caseLevel", nil, "numericOrdering", nil, "version", nil),
		spec("locale", "simple", "strength", 1, "backwards", true),
		spec("locale", "zh@collation=unihan"), spec("locale", "sr_Latn"), spec("locale", "zh_Hant"),
		spec("locale", "en", "version", "57.1"),
	} {
		if _, err := Parse(ok); err != nil {
			t.Errorf("%s: %v", ok, err)
		}
	}
}
