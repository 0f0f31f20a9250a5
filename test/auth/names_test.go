package auth_test

import (
	stdcontext "context"
	"crypto/sha256"
)

type context = stdcontext.Context

// digest is a session's uid.
func digest(user string) []byte {
	d := sha256.Sum256([]byte(user))
	return d[:]
}
