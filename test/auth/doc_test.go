// Package auth_test tests access control from outside: users and roles, proofs of
// identity, and what each may do.
package auth_test
