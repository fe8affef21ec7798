package execs

import (
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// completeExec looks up in /proc what the hook left out of e, and its arguments only if
// they are wanted. Because the process may have ended since, or executed another program,
// its name has to match.
func completeExec(e *probes.Exec, wantArgs bool) {
	process := filepath.Join("/proc", strconv.FormatUint(uint64(e.PID), 10))
	comm, ppid, ok := procfs.ReadStat(process)
	if !ok || comm != e.Comm {
		return
	}
	if e.PPID == 0 {
		e.PPID = ppid
	}
	if e.Filename == "" {
		e.Filename, _ = os.Readlink(filepath.Join(process, "exe"))
	}
	if wantArgs && e.ArgsTruncated {
		completeArgs(e, filepath.Join(process, "cmdline"))
	}
}

// completeArgs replaces the arguments by those in a cmdline file, as many as a
// hook that sees them would keep.
func completeArgs(e *probes.Exec, cmdline string) {
	file, err := os.Open(cmdline)
	if err != nil {
		return
	}
	defer file.Close()
	most := len(bpf.ExecsExecArgs{}.Text)
	content, err := io.ReadAll(io.LimitReader(file, int64(most)+1))
	if err != nil || len(content) == 0 { // empty once the process is a zombie
		return
	}
	e.ArgsTruncated = len(content) > most
	e.Args = splitArgs(content[:min(len(content), most)])
}
