package expr

func bitwiseOperators() []operator { return nil }
