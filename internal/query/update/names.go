package update

import (
	"maps"
	"slices"
)

// OperatorNames returns the names of all update operators, sorted.
func OperatorNames() []string {
	return slices.Sorted(func(yield func(string) bool) {
		if yield("$rename") { // is made of two of the table's
			maps.Keys(operators())(yield)
		}
	})
}
