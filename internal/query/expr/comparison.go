package expr

func comparisonOperators() []operator { return nil }
