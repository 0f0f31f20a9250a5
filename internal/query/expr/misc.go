package expr

func miscOperators() []operator { return nil }
