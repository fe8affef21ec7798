package probes

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unsafe"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
)

// FuzzProcess reads files of /proc that a process has filled with what it likes.
func FuzzProcess(f *testing.F) {
	for _, comm := range []string{"sh", "a) R 1 (sshd", "))((", ") ", "\x1b[2J\n\xff", "(", ""} {
		f.Add([]byte("7 ("+comm+") S 1 7 7 34816 7"), []byte("SSH_CONNECTION=192.0.2.1 1 192.0.2.2 22\x00"), []byte("sh\x00-c\x00"))
	}
	f.Add([]byte("7 (sh"), []byte("SSH_CONNECTION=fe80::1%\x1b/../ 1 ::%"+strings.Repeat("x", 5000)+" 22"), []byte("\x00\x00"))
	f.Add([]byte(")"), []byte("SSH_CONNECTION=SSH_CONNECTION=\x00\x00=\x00SSH_CONNECTION=1 2 3"), bytes.Repeat([]byte("a"), 1<<20))
	f.Add([]byte("7 (x) S 99999999999 -1 0 99999999999999999999"), []byte{}, []byte{})
	process := f.TempDir()
	f.Fuzz(func(t *testing.T, stat, environ, cmdline []byte) {
		for name, content := range map[string][]byte{"stat": stat, "environ": environ, "cmdline": cmdline} {
			if err := os.WriteFile(filepath.Join(process, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if comm, parent, ok := readStat(process); ok && !bytes.Contains(stat, []byte("("+comm+")")) {
			t.Errorf("%q has name %q and parent %d", stat, comm, parent)
		}
		onConsole(process)
		for _, s := range environmentSessions([]string{process}) {
			if len(s.client) == 0 || len(s.server) == 0 {
				t.Errorf("%q is a session %v", environ, s)
			}
		}
		var e Exec
		completeArgs(&e, filepath.Join(process, "cmdline"))
		if size, most := len(strings.Join(e.Args, "\x00")), len(bpf.ExecsExecArgs{}.Text); size > most {
			t.Errorf("%d bytes of arguments, want %d at most", size, most)
		}
	})
}

// TestNameOfProcess is what one must not be fooled by to find the session.
func TestNameOfProcess(t *testing.T) {
	process := t.TempDir()
	if err := os.WriteFile(filepath.Join(process, "stat"), []byte("7 (a) R 1 (sshd) S 5 7 7 34816 7"), 0o600); err != nil {
		t.Fatal(err)
	}
	if comm, parent, ok := readStat(process); comm != "a) R 1 (sshd" || parent != 5 || !ok {
		t.Errorf("name %q, parent %d", comm, parent)
	}
	if len(sshAmong([]string{process})) > 0 {
		t.Error("taken for an sshd")
	}
}

// FuzzRecords decodes records of any length and content.
func FuzzRecords(f *testing.F) {
	for _, size := range []uintptr{0, 1, unsafe.Sizeof(bpf.ExecsExecEvent{}), unsafe.Sizeof(bpf.ExecsExecEvent{}) + 9, 4096} {
		f.Add(make([]byte, size))
		f.Add(bytes.Repeat([]byte{0xff}, int(size)))
		f.Add(bytes.Repeat([]byte{1, 0, 0, 0}, int(size)/4))
	}
	decode := execDecoder{clock: newClock()}.decode
	f.Fuzz(func(t *testing.T, record []byte) {
		record = slices.Clone(record) // aligned as those of the ring
		if e, err := decode(record); err == nil && len(e.Filename)+len(strings.Join(e.Args, "")) > len(record) {
			t.Errorf("%d bytes hold %+v", len(record), e)
		}
	})
}

// FuzzPatterns has somebody ask for interfaces by any pattern, where others have
// any name: it fits, or it does not, and what is wrong is said in a line.
func FuzzPatterns(f *testing.F) {
	for _, pattern := range []string{"eth*", "[a-", "\\", "*?*", "\x1b[2J", "-rf;$(id)|", "[\xff-\n]", strings.Repeat("*a", 100)} {
		f.Add(pattern, "eth0")
		f.Add("*", pattern)
		f.Add(pattern, pattern)
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		link := &netlink.Dummy{LinkAttrs: netlink.LinkAttrs{Name: name}}
		i, err := newInterfaces(nil, HookAuto, []string{pattern})
		if err == nil {
			if err = i.check([]netlink.Link{link}); err != nil && i.matches(link.Attrs()) {
				t.Errorf("%q fits %q: %v", pattern, name, err)
			}
		}
		if err != nil && strings.ContainsFunc(err.Error(), func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("%q", err)
		}
	})
}
