package rtnl

import (
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// TestAskerAfterError: only a socket with nothing left in it is asked
// again.
func TestAskerAfterError(t *testing.T) {
	var a Socket
	defer a.Close()
	socket := func(outcome error) (used *netlink.Handle) {
		err := a.ask(func(h *netlink.Handle) error {
			used = h
			return outcome
		})
		if err != outcome {
			t.Fatalf("got %v, want %v", err, outcome)
		}
		return used
	}
	first := socket(nil)
	if socket(netlink.ErrDumpInterrupted) != first || socket(unix.ENOBUFS) != first {
		t.Error("another socket, though nothing was left in this one")
	}
	if socket(nil) == first {
		t.Error("the same socket after an error")
	}
}
