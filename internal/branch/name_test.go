package branch

import (
	"strings"
	"testing"
	"time"

	"github.com/argon-db/argon/internal/errcode"
)

func TestParseName(t *testing.T) {
	day := time.Date(2026, 11, 23, 1, 30, 0, 0, time.UTC)
	for _, c := range []struct {
		in   string
		want Name
	}{
		{"shop", Name{Project: "shop"}},
		{"shop~dev", Name{Project: "shop", Branch: "dev"}},
		{"shop~1-a_b", Name{Project: "shop", Branch: "1-a_b"}},
		{"shop@1600", Name{Project: "shop", Point: Point{Kind: PointLSN, LSN: 1600}}},
		{"shop~dev@20261123T013000Z", Name{"shop", "dev", Point{Kind: PointTime, Time: day}}},
		{"shop@2026-11-23T01:30:00Z", Name{"shop", "", Point{Kind: PointTime, Time: day}}},
		{"shop@2026-11-23T01:30Z", Name{"shop", "", Point{Kind: PointTime, Time: day}}},
		{"shop@20261123T013000.25Z", Name{"shop", "", Point{Kind: PointTime, Time: day.Add(250 * time.Millisecond)}}},
		{"shop@2026-11-23T01:30:00.000001Z", Name{"shop", "", Point{Kind: PointTime, Time: day.Add(time.Microsecond)}}},
		{"shop@-15m", Name{"shop", "", Point{Kind: PointAge, Age: 15 * time.Minute}}},
		{"shop@-1w2d3h0.5s", Name{"shop", "", Point{Kind: PointAge, Age: 9*24*time.Hour + 3*time.Hour + 500*time.Millisecond}}},
		{"shop@v1", Name{"shop", "", Point{Kind: PointTag, Tag: "v1"}}},
		{"my-shop_2+x", Name{Project: "my-shop_2+x"}},
	} {
		got, err := ParseName(c.in)
		if err != nil || got != c.want {
			t.Errorf("%s: %+v, %v", c.in, got, err)
		}
	}
	long := strings.Repeat("x", 64)
	for in, says := range map[string]string{
		"": "1 to 63", long: "63", "a.b": "'a.b'", "a/b": "'a/b'", "~x": "1 to 63", "shop~": "branch", "shop~a~b": "'a-b'",
		"shop~feature/login": "'feature-login' would fit", "shop~-x": "'x'", "shop@": "nothing follows", "shop@-": "age",
		"shop@-15": "age", "shop@-5parsec": "age", "shop@-1e9999w": "age", "shop@99999999999999999999": "too large",
		"shop@2026-13-01T00:00:00Z": "ISO 8601", "shop@1x": "ISO 8601", "shop@v/1": "'v-1'", "shop@_x": "not a point", "shop~" + long: "63",
	} {
		_, err := ParseName(in)
		if !errcode.Has(err, errcode.InvalidNamespace) || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, should say %q", in, err, says)
		}
	}
}

func FuzzParseName(f *testing.F) {
	f.Add("shop~dev@-1w2d")
	f.Add("shop@2026-11-23T01:30:00.5Z")
	f.Fuzz(func(t *testing.T, in string) {
		n, err := ParseName(in)
		if err != nil {
			return
		}
		again := n.Project
		if n.Branch != "" {
			again += "~" + n.Branch
		}
		if p := n.Point.String(); p != "" {
			again += "@" + p
		}
		m, err := ParseName(again)
		if err != nil || m != n {
			t.Fatalf("%q → %+v → %q → %+v, %v", in, n, again, m, err)
		}
	})
}
