package stage

// Names returns the names of all stages, sorted.
func Names() []string {
	var out []string
	for _, r := range table() {
		out = append(out, r.name)
	}
	return out
}

// WindowFunctionNames returns the names of the window functions that are not
// accumulators only, sorted.
func WindowFunctionNames() []string {
	var out []string
	for _, r := range windowFunctions() {
		out = append(out, r.name)
	}
	return out
}
