package expr

func booleanOperators() []operator { return nil }
