package main

import (
	"fmt"
	"net"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// health is the state of a pair, in the words of the log and of `xconnect status`.
type health string

const (
	healthUp       health = "up"       // frames go both ways
	healthWaiting  health = "waiting"  // for an interface, or for room on it
	healthDegraded health = "degraded" // frames are lost, or it is away on trial
	healthDown     health = "down"     // nothing gets through
)

// exit returns the exit status of `xconnect status --check`.
func (h health) exit() exitStatus {
	switch h {
	case healthUp:
		return 0
	case healthDown:
		return 2
	}
	return 1
}

// healthOf returns the health of a pair, and the reason if it is not up.
func healthOf(s *crossconnect.Status, interfaces interfaceFlags) (h health, reason string) {
	switch {
	case s.State == crossconnect.Waiting:
		return healthWaiting, s.Reason
	case s.Removed:
		return healthDegraded, s.Reason
	}
	for _, name := range []string{s.A, s.B} {
		if why := interfaces.whyDown(name); why != "" {
			return healthDown, why
		}
	}
	if s.Reason != "" && !s.Harmless {
		return healthDegraded, s.Reason
	}
	return healthUp, ""
}

// interfaceFlags holds the flags of all interfaces, by name.
type interfaceFlags map[string]net.Flags

func listFlags() (interfaceFlags, error) {
	list, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("list interfaces: %w", err)
	}
	flags := make(interfaceFlags, len(list))
	for i := range list {
		flags[list[i].Name] = list[i].Flags
	}
	return flags, nil
}

// whyDown says why an interface can pass on no frame, "" if it can or is not there.
func (f interfaceFlags) whyDown(name string) string {
	flags, isThere := f[name]
	switch {
	case !isThere || flags&net.FlagUp != 0 && flags&net.FlagRunning != 0:
		return ""
	case flags&net.FlagUp == 0:
		return fmt.Sprintf("%s is down: ip link set %s up", name, name)
	}
	return name + " has no carrier: the cable is unplugged or the far end down"
}
