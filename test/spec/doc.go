// Package spec runs tests in the drivers' unified test format against a server,
// through the official Go driver. The tests (testdata, a folder a topic) are ours,
// written from the specifications' prose; README.md tells which parts of the
// format the runner knows, and testdata/exceptions.txt what does not hold and why.
package spec
