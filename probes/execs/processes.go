package execs

import (
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// completer looks up in /proc what the hook left out.
type completer struct {
	wantArgs bool
	reading  chan struct{} // holds one while a command line is read
}

func newCompleter(wantArgs bool) *completer {
	return &completer{wantArgs: wantArgs, reading: make(chan struct{}, 1)}
}

// complete looks up what is missing of e. Because the process may have ended since, or executed
// another program, its name has to match.
func (c *completer) complete(e *probes.Exec) {
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
	if c.wantArgs && e.ArgsTruncated {
		c.completeArgs(e, filepath.Join(process, "cmdline"))
	}
}

// completeArgs replaces the arguments by those in a cmdline file, as many as a
// hook that sees them would keep.
func (c *completer) completeArgs(e *probes.Exec, cmdline string) {
	most := len(bpf.ExecsExecArgs{}.Text)
	content := c.read(cmdline, most+1)
	if len(content) == 0 { // it is a zombie, or cannot be read
		return
	}
	e.ArgsTruncated = len(content) > most
	e.Args = splitArgs(content[:min(len(content), most)])
}

// readPatience is how long reading a command line may take.
const readPatience = 50 * time.Millisecond

// read reads a command line, up to so many bytes. The kernel takes it from the memory of the
// process, which can have seen to it that this never ends (userfaultfd(2), FUSE): that is given
// up after a while, and until it ends no other is read.
func (c *completer) read(cmdline string, most int) []byte {
	select {
	case c.reading <- struct{}{}:
	default:
		return nil
	}
	read := make(chan []byte, 1)
	go func() {
		content := readStart(cmdline, most)
		<-c.reading
		read <- content
	}()
	select {
	case content := <-read:
		return content
	case <-time.After(readPatience):
		return nil
	}
}

// readStart reads the first bytes of a file, nil if it cannot.
func readStart(path string, most int) []byte {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	content, err := io.ReadAll(io.LimitReader(file, int64(most)))
	if err != nil {
		return nil
	}
	return content
}
