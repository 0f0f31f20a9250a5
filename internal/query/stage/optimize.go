package stage

// optimize returns an equivalent pipeline that does less work.
func (p *Pipeline) optimize() *Pipeline { return p }

// Prefix returns what a planner can serve of the pipeline's front.
func (p *Pipeline) Prefix() Prefix { return Prefix{} }
