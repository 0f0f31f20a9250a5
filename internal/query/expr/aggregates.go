package expr

// aggregateOperators are the accumulators that are also expressions.
func aggregateOperators() []operator { return nil }
