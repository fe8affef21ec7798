package main

import (
	"errors"
	"strings"
	"syscall"
)

// oneLine says what went wrong, and where the kernel forbade it, what to do.
func oneLine(err error) string {
	line := strings.ReplaceAll(err.Error(), "\n", "; ")
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EACCES) {
		line += ": ebpftop needs root, or the capabilities that `ebpftop doctor` lists"
	}
	return line
}
