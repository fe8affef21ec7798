package impact

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes/internal/procfs"
)

// FuzzProcess reads files of /proc that a process has filled with what it likes.
func FuzzProcess(f *testing.F) {
	for _, comm := range []string{"sh", "a) R 1 (sshd", "))((", ") ", "\x1b[2J\n\xff", "(", ""} {
		f.Add([]byte("7 ("+comm+") S 1 7 7 34816 7"), []byte("SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22\x00"))
	}
	f.Add([]byte("7 (sh"), []byte("SSH_CONNECTION=fe80::1%\x1b/../ 1 ::%"+strings.Repeat("x", 5000)+" 22"))
	f.Add([]byte(")"), []byte("SSH_CONNECTION=SSH_CONNECTION=\x00\x00=\x00SSH_CONNECTION=1 2 3"))
	f.Add([]byte("7 (x) S 99999999999 -1 0 99999999999999999999"), []byte{})
	process := f.TempDir()
	f.Fuzz(func(t *testing.T, stat, environ []byte) {
		for name, content := range map[string][]byte{"stat": stat, "environ": environ} {
			if err := os.WriteFile(filepath.Join(process, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if comm, parent, ok := procfs.ReadStat(process); ok && !bytes.Contains(stat, []byte("("+comm+")")) {
			t.Errorf("%q has name %q and parent %d", stat, comm, parent)
		}
		onConsole(process)
		for _, s := range environmentSessions([]string{process}) {
			if len(s.Client) == 0 || len(s.Server) == 0 {
				t.Errorf("%q is a session %v", environ, s)
			}
		}
	})
}

// TestNameOfProcess is what one must not be fooled by to find the session.
func TestNameOfProcess(t *testing.T) {
	process := t.TempDir()
	if err := os.WriteFile(filepath.Join(process, "stat"), []byte("7 (a) R 1 (sshd) S 5 7 7 34816 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	if comm, parent, ok := procfs.ReadStat(process); comm != "a) R 1 (sshd" || parent != 5 || !ok {
		t.Errorf("name %q, parent %d", comm, parent)
	}
	if len(sshAmong([]string{process})) > 0 {
		t.Error("taken for an sshd")
	}
}
