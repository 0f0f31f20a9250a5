package command

// table lists every command, sorted by name. A row's Spec stands in the
// command's own file.
func table() []*Spec {
	return []*Spec{
		helloCommand,
		isMasterCommand,
		pingCommand,
	}
}
