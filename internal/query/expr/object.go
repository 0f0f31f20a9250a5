package expr

func objectOperators() []operator { return nil }
