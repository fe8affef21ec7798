package main

import (
	"cmp"
	"fmt"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/doctor"
)

// errNoRights is for who may load no program: said at once, where else some step on the way
// would fail.
func errNoRights() error {
	if _, err := doctor.Capabilities(); err != nil {
		return fmt.Errorf("%w: run it as root, or see `ebpftop doctor`", err)
	}
	return nil
}

// errCannotKeep is for who may not change what is kept.
func errCannotKeep() error { return cmp.Or(errNoRights(), crossconnect.CheckKept()) }
