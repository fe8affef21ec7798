package impact

import (
	"net"
	"os"
	"slices"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
)

// Carrier returns the first of the interfaces that an SSH session runs over, and the
// client of the session. The name is empty if there is none. It returns an error if that
// cannot be known.
func Carrier(interfaces []string, sessions func() (Sessions, error)) (name string, client net.IP, err error) {
	links, err := rtnl.ListLinks()
	if err != nil {
		return "", nil, err
	}
	found, unknown := sessions()
	for _, s := range found {
		carriers := s.Carriers(links)
		for _, l := range links {
			if attrs := l.Attrs(); slices.Contains(carriers, attrs.Index) && slices.Contains(interfaces, attrs.Name) {
				return attrs.Name, s.Client, nil
			}
		}
	}
	return "", nil, unknown
}

// IsAttended returns whether somebody may sit at this process: it descends from an SSH
// program, has SSH_CONNECTION, or a terminal, or an ancestor has. What systemd or cron
// started has none of these.
func IsAttended() bool {
	ancestors, err := listAncestors(os.Getpid())
	return err != nil || len(sshAmong(ancestors)) > 0 || len(environmentSessions(ancestors)) > 0 ||
		slices.ContainsFunc(ancestors, func(process string) bool { return terminalOf(process) != 0 })
}

// IsRemote returns whether the terminal of this process may be at the other end of a
// network: it descends from an SSH program or mosh, or that cannot be told. Below tmux and
// screen it is not: they are a terminal themselves.
func IsRemote() bool {
	ancestors, err := listAncestors(os.Getpid())
	return err != nil || slices.ContainsFunc(ancestors, func(process string) bool {
		comm, _, _ := procfs.ReadStat(process)
		return slices.Contains(sshPrograms, comm) || comm == "mosh-server"
	})
}
