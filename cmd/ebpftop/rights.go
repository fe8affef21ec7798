package main

import (
	"cmp"
	"fmt"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/doctor"
)

// errNoRights returns an error if this process may not load programs. It is called first,
// because some later step would fail with a worse message.
func errNoRights() error {
	if _, err := doctor.Capabilities(); err != nil {
		return fmt.Errorf("%w: run it as root, or see `ebpftop doctor`", err)
	}
	return nil
}

// prepareKeeping is for who is about to change what is kept, which it may not be allowed to.
// It confines the process to that.
func prepareKeeping() error {
	if err := errCannotKeep(); err != nil {
		return err
	}
	_ = crossconnect.MakePinRoot() // else the change will say why that cannot be
	return confineOnce()
}

// errCannotKeep returns an error if this process may not change what is kept.
func errCannotKeep() error { return cmp.Or(errNoRights(), crossconnect.CheckKept()) }
