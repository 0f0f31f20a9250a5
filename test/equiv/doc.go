// Package equiv makes random programs (documents of all types, indexes, writes,
// queries and pipelines) and runs each on several sides that must answer the
// same: without and with indexes, without the optimizer, with so little memory
// that blocking stages spill, on a branch, and at points in the past. When
// ARGON_DIFF_URI names another server (a real mongod), it is a side as well.
//
// What differs is shrunk to a minimal program and printed as a file of
// test/cases has it.
package equiv
