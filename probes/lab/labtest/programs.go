package labtest

import (
	"os"
	"path/filepath"
	"testing"
)

// Program is a copy of a small program under a name of its own, by which the
// test knows its executions from those of everyone else on the machine.
func Program(t testing.TB, original string) string {
	t.Helper()
	content, err := os.ReadFile(original)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "ebpftop-"+filepath.Base(original))
	if err := os.WriteFile(path, content, 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// LetEveryoneRun opens a file below the test's temporary folder to all users.
func LetEveryoneRun(t testing.TB, path string) {
	t.Helper()
	for ; path != os.TempDir(); path = filepath.Dir(path) {
		if err := os.Chmod(path, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}
