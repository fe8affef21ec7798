// Package labtest holds the helpers that tests of several packages share: network
// namespaces that end with the test, programs and devices, and the conditions of a test.
package labtest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/cilium/ebpf/rlimit"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// requireRootVariable turns a skipped test into a failed one.
const requireRootVariable = "EBPFTOP_TEST_REQUIRE_ROOT"

// RequireRoot skips the test where it does not run as root, and fails it there if
// EBPFTOP_TEST_REQUIRE_ROOT is 1. As root it raises the limit of locked memory.
func RequireRoot(t testing.TB) {
	t.Helper()
	if os.Geteuid() == 0 {
		_ = rlimit.RemoveMemlock() // before Linux 5.11; what needs it says so
		return
	}
	if os.Getenv(requireRootVariable) == "1" {
		t.Fatal("needs root, and " + requireRootVariable + "=1 forbids to skip")
	}
	t.Skip("needs root: run as root, or through sudo")
}

// Namespace makes a namespace that is closed with the test.
func Namespace(t testing.TB) *lab.Namespace {
	t.Helper()
	RequireRoot(t)
	n, err := lab.New()
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
func Report(t testing.TB, what string, n int) {
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

// OpenTuntap makes a device, sets it up, and returns the file that its frames are
// written to.
func OpenTuntap(t testing.TB, in *lab.Namespace, mode netlink.TuntapMode, name string, flags netlink.TuntapFlag) *os.File {
	t.Helper()
	device := &netlink.Tuntap{LinkAttrs: netlink.LinkAttrs{Name: name}, Mode: mode, Flags: flags, Queues: 1}
	if err := in.Do(func() error {
		return errors.Join(netlink.LinkAdd(device), netlink.LinkSetUp(device))
	}); err != nil {
		t.Fatal(err)
	}
	file := device.Fds[0]
	t.Cleanup(func() { file.Close() })
	return file
}
