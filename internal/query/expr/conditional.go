package expr

func conditionalOperators() []operator { return nil }
