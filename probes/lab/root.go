package lab

import "os"

// requireRootVariable turns a skipped test into a failed one.
const requireRootVariable = "EBPFTOP_TEST_REQUIRE_ROOT"

// TB is what RequireRoot needs of testing.TB. Named here so that ebpftop, whose
// demo uses this package, is not linked with package testing.
type TB interface {
	Helper()
	Skip(args ...any)
	Fatal(args ...any)
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
