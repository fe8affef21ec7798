package impact

import (
	"bytes"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// sshPrograms serve SSH sessions, or are the near end of a tunnel that leads to
// them. From OpenSSH 9.8 on, sshd-session serves what sshd accepts.
var sshPrograms = []string{"sshd", "sshd-session", "dropbear", "ssh"}

// listAncestors lists this process and those it descends from, except init, as
// folders in /proc.
func listAncestors() []string {
	var ancestors []string
	for pid := uint32(os.Getpid()); pid > 1; {
		process := filepath.Join("/proc", strconv.FormatUint(uint64(pid), 10))
		_, parent, ok := procfs.ReadStat(process)
		if !ok {
			break // ended just now: init is our ancestor next
		}
		ancestors = append(ancestors, process)
		pid = parent
	}
	return ancestors
}

// listProcesses lists all processes as folders in /proc.
func listProcesses() []string {
	processes, _ := filepath.Glob("/proc/[0-9]*") // fails only on a bad pattern
	return processes
}

// sshAmong picks the processes that run SSH programs.
func sshAmong(processes []string) []string {
	var found []string
	for _, process := range processes {
		if comm, _, ok := procfs.ReadStat(process); ok && slices.Contains(sshPrograms, comm) {
			found = append(found, process)
		}
	}
	return found
}

// socketsOf lists the inodes of the sockets that the processes hold: their
// descriptors link to "socket:[12345]", proc_pid_fd(5).
func socketsOf(processes []string) []uint32 {
	var inodes []uint32
	for _, process := range processes {
		descriptors, _ := filepath.Glob(filepath.Join(process, "fd", "*")) // fails only on a bad pattern
		for _, descriptor := range descriptors {
			target, _ := os.Readlink(descriptor) // may be closed by now
			number, isSocket := strings.CutPrefix(target, "socket:[")
			inode, err := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32)
			if isSocket && err == nil {
				inodes = append(inodes, uint32(inode))
			}
		}
	}
	return inodes
}

// onConsole tells whether the process is at a terminal of the machine itself,
// virtual or serial, to which no network leads.
func onConsole(process string) bool { return isConsole(terminalOf(process)) }

// terminalOf is the device number of the terminal that controls the process, 0
// if there is none.
func terminalOf(process string) uint64 {
	stat, err := os.ReadFile(filepath.Join(process, "stat"))
	if err != nil {
		return 0
	}
	// State, parent, group, session and terminal follow the name in
	// parentheses, which can hold anything: proc_pid_stat(5).
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 5 {
		return 0
	}
	terminal, _ := strconv.ParseUint(string(fields[4]), 10, 32) // 0 if it is no number
	return terminal
}

// isConsole tells whether the number of a terminal is not 0, for none, nor that
// of a pseudo terminal: major 136 to 143, and 3 for those of old (the kernel's
// Documentation/admin-guide/devices.txt).
func isConsole(terminal uint64) bool {
	major := unix.Major(terminal)
	return major != 0 && major != 3 && (major < 136 || major > 143)
}

// environmentSessions reads SSH_CONNECTION in the environments of processes:
// sudo strips it from ours, but the shell before sudo has it. It may be that of
// an earlier session, where tmux or screen runs on.
func environmentSessions(processes []string) Sessions {
	var found Sessions
	for _, process := range processes {
		environ, _ := os.ReadFile(filepath.Join(process, "environ")) // of another user, or gone
		for variable := range bytes.SplitSeq(environ, []byte{0}) {
			if value, ok := strings.CutPrefix(string(variable), "SSH_CONNECTION="); ok {
				found = append(found, parseConnection(value)...)
			}
		}
	}
	return found
}

// parseConnection reads what SSH_CONNECTION holds: client address and port,
// server address and port, ssh(1). A link-local address has its interface with
// it. Anything else is none.
func parseConnection(value string) Sessions {
	fields := strings.Fields(value)
	if len(fields) != 4 {
		return nil
	}
	client, clientErr := netip.ParseAddr(fields[0])
	server, serverErr := netip.ParseAddr(fields[2])
	if clientErr != nil || serverErr != nil {
		return nil
	}
	s := Session{Client: client.AsSlice(), Server: server.AsSlice()}
	if iface, err := net.InterfaceByName(client.Zone()); err == nil {
		s.Scope = iface.Index
	}
	return Sessions{s}
}
