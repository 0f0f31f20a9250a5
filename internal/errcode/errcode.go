// Package errcode holds MongoDB's error codes, their names and labels, and the
// error type that reaches a client.
//
// Codes are facts of MongoDB's protocol (its manual, "Error Codes"). A code
// that has no name of its own is reported as MongoDB does, as "Location<code>".
package errcode

import (
	"errors"
	"fmt"
	"strconv"

	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"
)

// Code is a MongoDB error code.
type Code int32

// Name returns the code's name as MongoDB reports it in "codeName".
func (c Code) Name() string {
	if n, ok := names[c]; ok {
		return n
	}
	return "Location" + strconv.Itoa(int(c))
}

// String returns the code's name.
func (c Code) String() string { return c.Name() }

// Labels that drivers act on.
const (
	LabelTransientTransaction  = "TransientTransactionError"
	LabelUnknownCommitResult   = "UnknownTransactionCommitResult"
	LabelRetryableWrite        = "RetryableWriteError"
	LabelResumableChangeStream = "ResumableChangeStreamError"
	LabelNonResumable          = "NonResumableChangeStreamError"
	LabelNoWritesPerformed     = "NoWritesPerformed"
	LabelSystemOverloaded      = "SystemOverloadedError"
)

// Error is an error with a MongoDB code. It is immutable once returned.
type Error struct {
	Code    Code
	Message string
	// Labels are the driver labels ("errorLabels"), if any.
	Labels []string
	// Info holds further fields of the error reply: keyPattern, keyValue,
	// errInfo and the like. Nil when there are none.
	Info bsoncore.Document
	// Cause is the wrapped error, if any. It never reaches the client.
	Cause error
}

// New returns an error with a formatted message.
func New(c Code, format string, args ...any) *Error {
	if len(args) == 0 {
		return &Error{Code: c, Message: format}
	}
	return &Error{Code: c, Message: fmt.Sprintf(format, args...)}
}

// Wrap returns an error with a code whose cause is err.
func Wrap(err error, c Code, format string, args ...any) *Error {
	e := New(c, format, args...)
	e.Cause = err
	return e
}

// WithInfo returns a copy that carries more reply fields.
func (e *Error) WithInfo(info bsoncore.Document) *Error {
	c := *e
	c.Info = info
	return &c
}

// WithLabels returns a copy that carries more labels.
func (e *Error) WithLabels(labels ...string) *Error {
	c := *e
	c.Labels = append(append([]string(nil), e.Labels...), labels...)
	return &c
}

// Error implements error.
func (e *Error) Error() string { return e.Code.Name() + ": " + e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is an *Error with the same code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code
}

// As returns the *Error in err's chain, or one with code InternalError (1)
// that wraps err. It returns nil for nil.
func As(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Wrap(err, InternalError, "%v", err)
}

// Has reports whether err's chain holds an *Error with code c.
func Has(err error, c Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == c
}
