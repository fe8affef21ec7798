package impact

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// sshPrograms serve SSH sessions, or are the near end of a tunnel that leads to
// them. From OpenSSH 9.8 on, sshd-session serves what sshd accepts.
var sshPrograms = []string{"sshd", "sshd-session", "dropbear", "ssh"}

// listAncestors lists a process and those it descends from, except init, as
// folders in /proc. It fails if one of them is hidden.
func listAncestors(pid int) (ancestors []string, err error) {
	for parent := uint32(pid); parent > 1; {
		process := folderOf(parent)
		_, next, ok := procfs.ReadStat(process)
		if !ok {
			return ancestors, errHiddenParent(ancestors, parent)
		}
		ancestors = append(ancestors, process)
		parent = next
	}
	return ancestors, nil
}

func folderOf(pid uint32) string { return filepath.Join("/proc", strconv.FormatUint(uint64(pid), 10)) }

// errHiddenParent returns an error if the parent of the last descendant is hidden. If
// that parent has just ended, there is none: init is the next ancestor then.
func errHiddenParent(descendants []string, parent uint32) error {
	if len(descendants) > 0 {
		if _, now, ok := procfs.ReadStat(descendants[len(descendants)-1]); !ok || now != parent {
			return nil
		}
	}
	return fmt.Errorf("process %d is hidden", parent)
}

// listProcesses lists all processes as folders in /proc. It fails if that has not all,
// because it is mounted with hidepid.
func listProcesses() ([]string, error) {
	processes, _ := filepath.Glob("/proc/[0-9]*") // fails only on a bad pattern
	if !slices.Contains(processes, folderOf(1)) {
		return processes, errors.New("processes are hidden")
	}
	return processes, nil
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

// lookPatience is how long the descriptors of processes may be looked at: any user may have
// processes that are called ssh, with descriptors without end. It is a variable for tests.
var lookPatience = 2 * time.Second

// socketsOf lists the inodes of the sockets that the processes hold: their
// descriptors link to "socket:[12345]", proc_pid_fd(5). It fails if it may not look at
// those of a process, or that takes too long. Those of root come first, which serve sessions.
func socketsOf(processes []string) (inodes map[uint32]bool, err error) {
	inodes = make(map[uint32]bool)
	deadline := time.Now().Add(lookPatience)
	for _, process := range rootsFirst(processes) {
		if errProcess := addSockets(inodes, process, deadline); errProcess != nil {
			err = errProcess
		}
	}
	return inodes, err
}

func rootsFirst(processes []string) []string {
	var roots, others []string
	for _, process := range processes {
		var stat unix.Stat_t
		if unix.Stat(process, &stat) == nil && stat.Uid == 0 {
			roots = append(roots, process)
		} else {
			others = append(others, process)
		}
	}
	return append(roots, others...)
}

// addSockets adds the inodes of one process's sockets.
func addSockets(inodes map[uint32]bool, process string, deadline time.Time) (err error) {
	folder := filepath.Join(process, "fd")
	open, errOpen := os.Open(folder) // or it has ended
	if errors.Is(errOpen, os.ErrPermission) {
		return fmt.Errorf("the sockets of process %s are not to be seen", filepath.Base(process))
	}
	if errOpen != nil {
		return nil
	}
	defer open.Close()
	for {
		descriptors, errList := open.Readdirnames(256)
		if errList != nil {
			return err // there are no more, or it has ended
		}
		if !time.Now().Before(deadline) {
			return errors.New("processes called ssh have so many descriptors open that not all were looked at")
		}
		for _, descriptor := range descriptors {
			target, errRead := os.Readlink(filepath.Join(folder, descriptor)) // may be closed by now
			if errors.Is(errRead, os.ErrPermission) {
				err = fmt.Errorf("the sockets of process %s are not to be seen", filepath.Base(process))
			}
			number, isSocket := strings.CutPrefix(target, "socket:[")
			inode, errParse := strconv.ParseUint(strings.TrimSuffix(number, "]"), 10, 32)
			if isSocket && errParse == nil {
				inodes[uint32(inode)] = true
			}
		}
	}
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

// isConsole tells whether a terminal number is that of a console: neither 0, for none,
// nor of a pseudo terminal, major 136 to 143, in old kernels 3
// (Documentation/admin-guide/devices.txt).
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
