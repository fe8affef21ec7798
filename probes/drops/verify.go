package drops

import (
	"errors"

	"github.com/ebpftop/ebpftop/bpf"
)

// Verify attaches to the tracepoints for a moment, and counts for no network namespace.
func Verify() (string, error) {
	h, err := attachHook(0, 0)
	if err != nil {
		return "", err
	}
	if err := h.Close(); err != nil {
		return "", err
	}
	return "attached", nil
}

// ReasonsKnown returns how many reasons for drops the kernel has: 0 before Linux 5.17.
func ReasonsKnown() (int, error) {
	program, err := programOfSKBs()
	if err != nil || program == bpf.DropsProgDropLocation {
		return 0, err
	}
	r, err := readReasons()
	return len(r.names), err
}

// VerifySymbols looks whether functions of the kernel can be named.
func VerifySymbols() (string, error) {
	s := openSymbols()
	if s == nil {
		return "", errors.New("addresses are hidden from us")
	}
	return "functions have names", s.Close()
}
