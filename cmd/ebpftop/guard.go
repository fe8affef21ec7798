package main

import (
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/impact"
)

// sessionGuard keeps a command from cutting off the SSH session that it was started from,
// as the form on the screen does: unless that is wanted, or undone if nobody confirms it.
// Where nobody can sit at the command, as under systemd, there is nothing to guard.
type sessionGuard struct {
	yes        bool
	advice     string // what to do instead
	isAttended bool
	sessions   func() (impact.Sessions, error)
}

const (
	adviseTrial = "add --trial 30s, and confirm it in a new session, or --yes to go on anyway"
	adviseYes   = "--yes connects it anyway"
)

// register adds --yes. A refusal gives the advice.
func (g *sessionGuard) register(cmd *cobra.Command, advice string) {
	g.advice = advice
	cmd.Flags().BoolVar(&g.yes, "yes", false, "connect also what carries your SSH session")
}

// arm must be called before the process is confined. sessions finds the SSH sessions of the
// process.
func (g *sessionGuard) arm(sessions func() (impact.Sessions, error)) *sessionGuard {
	g.isAttended, g.sessions = impact.IsAttended(), sessions
	return g
}

// checkNow is check without arm, for a process that is not confined. A trial passes: it
// undoes itself.
func (g *sessionGuard) checkNow(trial trialFlag, before, after []crossconnect.Pair) error {
	if trial != 0 {
		return nil
	}
	return g.arm(func() (impact.Sessions, error) { return impact.FindSessions(os.Getpid()) }).check(before, after)
}

// check returns an error if a new pair would cut off the session, or may do so.
func (g *sessionGuard) check(before, after []crossconnect.Pair) error {
	interfaces := newInterfaces(before, after)
	if g.yes || !g.isAttended || len(interfaces) == 0 {
		return nil
	}
	name, client, err := impact.Carrier(interfaces, g.sessions)
	if err != nil {
		return fmt.Errorf("your SSH session may run over %s, that is not known (%w): %s", interfaces[0], err, g.advice)
	}
	return g.errCarries(name, client)
}

func (g *sessionGuard) errCarries(name string, client net.IP) error {
	if name == "" {
		return nil
	}
	return fmt.Errorf("%s carries your SSH session (client %v): %s", name, client, g.advice)
}

// newInterfaces returns the interfaces of the pairs that are new.
func newInterfaces(before, after []crossconnect.Pair) (interfaces []string) {
	for _, p := range after {
		if !slices.ContainsFunc(before, func(b crossconnect.Pair) bool { return b.Joins(p.A, p.B) }) {
			interfaces = append(interfaces, p.A, p.B)
		}
	}
	return interfaces
}
