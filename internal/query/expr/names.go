package expr

import (
	"maps"
	"slices"
)

// OperatorNames returns the names of all operators, sorted.
func OperatorNames() []string { return slices.Sorted(maps.Keys(operators())) }

// AccumulatorNames returns the names of all accumulators, sorted.
func AccumulatorNames() []string { return slices.Sorted(maps.Keys(accumulators())) }
