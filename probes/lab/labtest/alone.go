package labtest

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// Alone waits until no other test, of whatever package, has asked to be alone with the
// same thing, and keeps such tests waiting until this one ends. It is for what a host has
// only one of, which namespaces do not part: the programs executed on it, for example.
func Alone(t testing.TB, with string) {
	t.Helper()
	file, err := os.OpenFile(filepath.Join(os.TempDir(), "ebpftop-test-"+with), os.O_RDONLY|os.O_CREATE, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := file.Close(); err != nil {
			t.Error(err)
		}
	})
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX)
		if err == nil {
			return
		}
		if err != unix.EINTR {
			t.Fatal("wait to be alone with ", with, ": ", err)
		}
	}
}
