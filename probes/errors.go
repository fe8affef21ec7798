package probes

import (
	"fmt"
	"strconv"
	"strings"
)

// OneLine returns an error's text without line breaks.
func OneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// PanicError is a mistake in ebpftop itself. Error is one line; Stack is for
// whoever mends it.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string {
	quoted := strconv.QuoteToASCII(fmt.Sprint(e.Value)) // it may hold anything
	return "internal error, please report: " + quoted[1:len(quoted)-1]
}
