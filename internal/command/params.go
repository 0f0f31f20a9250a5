package command

// Params are the server's parameters (getParameter, setParameter).
type Params struct{}

// NewParams returns the parameters with their defaults.
func NewParams() *Params { return &Params{} }
