package match

import (
	"maps"
	"slices"
)

// OperatorNames returns the names of all query operators, sorted.
func OperatorNames() []string {
	t := operatorTables()
	return slices.Sorted(func(yield func(string) bool) {
		for n := range maps.Keys(t.field) {
			if !yield(n) {
				return
			}
		}
		maps.Keys(t.top)(yield)
	})
}
