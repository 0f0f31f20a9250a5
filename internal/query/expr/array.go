package expr

func arrayOperators() []operator { return nil }
