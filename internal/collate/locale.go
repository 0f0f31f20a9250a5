package collate

import (
	"strings"

	"golang.org/x/text/language"

	"github.com/argon-db/argon/internal/bsonx"
)

// languages are the languages of MongoDB's collation locales (manual,
// "Collation Locales and Default Parameters"), and others that ICU has.
const languages = " af am ar as az be bg bn bo br bs ca ceb chr cs cy da de dsb dz ee el en eo es et fa fi fil fo" +
	" fr ga gl gu ha haw he hi hr hsb hu hy id ig is it ja ka kk kl km kn ko kok ku ky lb lkt ln lo lt lv mk" +
	" ml mn mr ms mt my nb ne nl nn no om or pa pl ps pt ro ru se si sk sl smn sq sr sv sw ta te th tk to tr" +
	" ug uk ur uz vi wae wo xh yi yo zh zu "

// variants are the values of "@collation=" and their names in BCP 47.
var variants = map[string]string{
	"phonebook": "phonebk", "traditional": "trad", "dictionary": "dict", "gb2312han": "gb2312",
	"pinyin": "pinyin", "stroke": "stroke", "zhuyin": "zhuyin", "unihan": "unihan", "big5han": "big5han",
	"search": "search", "compat": "compat", "standard": "standard", "phonetic": "phonetic",
	"reformed": "reformed", "eor": "eor", "emoji": "emoji", "searchjl": "searchjl",
}

// parseLocale reads an ICU locale: language[_Script][_REGION][_VARIANT][@collation=…].
func parseLocale(s string) (language.Tag, bool) {
	name, keyword, has := strings.Cut(s, "@")
	lang, _, _ := strings.Cut(name, "_")
	if lang == "" || !strings.Contains(languages, " "+lang+" ") {
		return language.Tag{}, false
	}
	if name == "en_US_POSIX" {
		return language.English, true
	}
	tag, err := language.Parse(strings.ReplaceAll(name, "_", "-"))
	if err != nil || strings.Contains(name, "-") {
		return language.Tag{}, false
	}
	if !has {
		return tag, true
	}
	value, ok := strings.CutPrefix(keyword, "collation=")
	co, known := variants[value]
	if !ok || !known {
		return language.Tag{}, false
	}
	if t, err := tag.SetTypeForKey("co", co); err == nil {
		tag = t
	}
	return tag, true
}

// localeDefaults sets what a locale has other than the root's defaults.
func (o *options) localeDefaults(spec bsonx.Doc) {
	v := bsonx.Lookup(spec, "locale")
	if v.Type != bsonx.String {
		return
	}
	name, _, _ := strings.Cut(string(bsonx.Str(v)), "@")
	switch lang, _, _ := strings.Cut(name, "_"); {
	case name == "fr_CA":
		if n, _ := smallStrength(spec); n > 1 {
			o.backwards = true
		}
	case lang == "th":
		o.alternate = "shifted"
	case lang == "da", lang == "mt":
		if _, small := smallStrength(spec); !small {
			o.caseFirst = "upper"
		}
	}
}

// smallStrength reports whether the strength leaves no place for caseFirst.
func smallStrength(spec bsonx.Doc) (int, bool) {
	v := bsonx.Lookup(spec, "strength")
	if !bsonx.IsNumber(v) {
		return 3, false
	}
	n, ok := truncated(v)
	return n, ok && n < 3
}
