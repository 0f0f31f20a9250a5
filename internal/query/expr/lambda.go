package expr

func lambdaOperators() []operator { return nil }
