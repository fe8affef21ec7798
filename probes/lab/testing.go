package lab

import "os"

// requireRootVariable turns a skipped test into a failed one.
const requireRootVariable = "EBPFTOP_TEST_REQUIRE_ROOT"

// TB is what the helpers below need of testing.TB. Named here so that ebpftop,
// whose demo uses this package, is not linked with package testing.
type TB interface {
	Helper()
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
