package execs

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// FuzzCmdline reads a cmdline file that a process has filled with what it likes.
func FuzzCmdline(f *testing.F) {
	for _, cmdline := range []string{"sh\x00-c\x00", "\x00\x00", ""} {
		f.Add([]byte(cmdline))
	}
	f.Add(bytes.Repeat([]byte("a"), 1<<20))
	file := filepath.Join(f.TempDir(), "cmdline")
	c := newCompleter(true)
	f.Fuzz(func(t *testing.T, cmdline []byte) {
		if err := os.WriteFile(file, cmdline, 0o600); err != nil {
			t.Fatal(err)
		}
		var e probes.Exec
		c.completeArgs(&e, file)
		if size, most := len(strings.Join(e.Args, "\x00")), len(bpf.ExecsExecArgs{}.Text); size > most {
			t.Errorf("%d bytes of arguments, want %d at most", size, most)
		}
	})
}
