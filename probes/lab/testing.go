package lab

import (
	"fmt"
	"os"
)

// requireRootVariable turns a skipped test into a failed one.
const requireRootVariable = "EBPFTOP_TEST_REQUIRE_ROOT"

// TB is what the helpers below need of testing.TB. Named here so that ebpftop,
// whose demo uses this package, is not linked with package testing.
type TB interface {
	Helper()
	Name() string
	Log(args ...any)
	Skip(args ...any)
	Error(args ...any)
	Fatal(args ...any)
	Cleanup(func())
}

// RequireRoot skips the test where it does not run as root, and fails it there
// if EBPFTOP_TEST_REQUIRE_ROOT is 1.
func RequireRoot(t TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		return
	}
	if os.Getenv(requireRootVariable) == "1" {
		t.Fatal("needs root, and " + requireRootVariable + "=1 forbids to skip")
	}
	t.Skip("needs root: run as root, or through sudo")
}

// ForTest makes a namespace that is closed with the test.
func ForTest(t TB) *Namespace {
	t.Helper()
	RequireRoot(t)
	n, err := New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// reportVariable names a file for what tests report; `make test` shows it.
const reportVariable = "EBPFTOP_TEST_REPORT"

// Report says how much a test covered, also where it is not asked to be verbose:
// Report(t, "frames compared", 300000).
func Report(t TB, what string, n int) {
	t.Helper()
	t.Log(n, what)
	path := os.Getenv(reportVariable)
	if path == "" {
		return
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	// One write, for tests of several processes report at a time.
	if _, err := fmt.Fprintf(file, "%s: %d %s\n", t.Name(), n, what); err != nil {
		t.Error(err)
	}
}
