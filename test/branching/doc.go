// Package branching tests branches as a product over the wire: merges, reverts,
// differences and histories. Cases are data: testdata/*.json.
package branching
