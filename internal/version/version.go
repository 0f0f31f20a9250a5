// Package version has Argon's version and the MongoDB version it answers as.
package version

import "runtime/debug"

// Argon is the server's own version.
const Argon = "0.1.0"

// MongoDB is the version that drivers and tools are told: they choose features by it.
const MongoDB = "8.2.0"

// Commit returns the commit that the binary was built from, "" when unknown.
func Commit() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value
		}
	}
	return ""
}
