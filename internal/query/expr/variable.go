package expr

func variableOperators() []operator { return nil }
