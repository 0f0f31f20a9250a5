package expr

func setOperators() []operator { return nil }
