// Package seed gives randomized tests their seeds: the same ones in every run, so
// that a change that breaks a test is the change that broke it, and others on
// demand.
package seed

import (
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// Env is the environment variable that chooses the seed: a number replays a
// run, "random" takes new seeds (as `make soak` does).
const Env = "ARGON_SEED"

// Of returns the seed of a test and logs how to replay it. Unless the
// environment says otherwise, it is a hash of the test's name.
func Of(t testing.TB) uint64 {
	t.Helper()
	s := pick(t)
	t.Logf("replay with %s=%d", Env, s)
	return s
}

func pick(t testing.TB) uint64 {
	t.Helper()
	switch v := os.Getenv(Env); v {
	case "":
		h := fnv.New64a()
		_, _ = h.Write([]byte(t.Name()))
		return h.Sum64()
	case "random":
		return rand.Uint64()
	default:
		s, err := strconv.ParseUint(v, 10, 64)
		if err != nil {
			t.Fatalf("%s=%q is neither a number nor \"random\"", Env, v)
		}
		return s
	}
}
