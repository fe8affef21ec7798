package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// newHub makes the namespace of a switch. What is kept of its cross-connects
// goes with the test: pins would keep the programs in the kernel for good.
func newHub(t *testing.T) *lab.Namespace {
	t.Helper()
	hub := labtest.Namespace(t)
	folders := pinFolders(t, hub)
	t.Cleanup(func() {
		for _, folder := range folders {
			if err := os.RemoveAll(folder); err != nil {
				t.Error(err)
			}
		}
	})
	return hub
}

// pinFolders are where pairs of the namespace may be kept. Kernels before 5.14
// cannot tell its cookie.
func pinFolders(t *testing.T, n *lab.Namespace) (folders []string) {
	t.Helper()
	const root = "/sys/fs/bpf/ebpftop"
	if err := n.Do(func() error {
		var stat unix.Stat_t
		if err := unix.Stat("/proc/thread-self/ns/net", &stat); err != nil {
			return err
		}
		folders = append(folders, filepath.Join(root, fmt.Sprint("inode-", stat.Ino)))
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		if cookie, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE); err == nil {
			folders = append(folders, filepath.Join(root, fmt.Sprint("net-", cookie)))
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return folders
}

// try runs `ebpftop xconnect` in the switch, to its end.
func (b *bench) try(args ...string) finished {
	b.t.Helper()
	return finish(b.t, b.hub, ebpftop(b.t, append([]string{"xconnect"}, args...)...))
}

// run is try that must succeed.
func (b *bench) run(args ...string) finished {
	b.t.Helper()
	got := b.try(args...)
	if got.status != 0 || got.errOut != "" {
		b.t.Fatalf("xconnect %s: status %d, %s", strings.Join(args, " "), got.status, got.errOut)
	}
	return got
}

func (b *bench) list() (pairs []crossconnect.Status) {
	b.t.Helper()
	got := b.run("list", "--json")
	if err := json.Unmarshal([]byte(got.out), &pairs); err != nil || pairs == nil {
		b.t.Fatalf("%v in %q, want an array", err, got.out)
	}
	return pairs
}

// only is the pair in a list of one.
func (b *bench) only() crossconnect.Status {
	b.t.Helper()
	pairs := b.list()
	if len(pairs) != 1 {
		b.t.Fatalf("%d pairs, want one: %+v", len(pairs), pairs)
	}
	return pairs[0]
}

// names are the pairs as "sw0-sw1 active".
func (b *bench) names() (names []string) {
	b.t.Helper()
	for _, pair := range b.list() {
		names = append(names, fmt.Sprintf("%s-%s %s", pair.A, pair.B, pair.State))
	}
	return names
}

func (b *bench) lists(want ...string) {
	b.t.Helper()
	if got := b.names(); !slices.Equal(got, want) {
		b.t.Errorf("pairs %q, want %q", got, want)
	}
}

// await calls fn until it returns no error.
func (b *bench) await(fn func() error) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		err := fn()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) awaitList(want ...string) {
	b.t.Helper()
	b.await(func() error {
		if got := b.names(); !slices.Equal(got, want) {
			return fmt.Errorf("pairs %q, want %q", got, want)
		}
		return nil
	})
}

// awaitBare waits until nothing is attached to the interfaces: the kernel
// detaches a link some time after its last descriptor is closed.
func (b *bench) awaitBare(in *lab.Namespace, ifaces ...string) {
	b.t.Helper()
	b.await(func() error {
		for _, iface := range ifaces {
			if found := attachments(b.t, in, iface); len(found) > 0 {
				return fmt.Errorf("left attached to %s: %v", iface, found)
			}
		}
		return nil
	})
}

// TestListFields checks that a script finds every field that the manual
// promises, in list as in stats.
func TestListFields(t *testing.T) {
	b := newBench(t, 2)
	b.run("add", port(0), port(1), "--datapath", "tc")
	frame := numbered(0, 100)
	b.check(b.wires[0].Send(frame, frame, frame))
	if _, err := b.wires[1].Receive(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	var rows []map[string]any
	if err := json.Unmarshal([]byte(b.run("list", "--json").out), &rows); err != nil || len(rows) != 1 {
		t.Fatalf("%v, %d rows", err, len(rows))
	}
	wantPair(t, "list", rows[0])

	s := openStats(t, b.hub)
	defer s.stop(syscall.SIGTERM)
	var object map[string]any
	if err := json.Unmarshal(s.lines.Bytes(), &object); err != nil {
		t.Fatal(err)
	}
	wantPair(t, "stats", first(t, object, "cross_connects"))

	table := b.run("list").out
	for _, word := range []string{port(0), port(1), "active", "tc"} {
		if !strings.Contains(table, word) {
			t.Errorf("list does not mention %q:\n%s", word, table)
		}
	}
}

func wantPair(t *testing.T, where string, row map[string]any) {
	t.Helper()
	wantFields(t, where, row, map[string]any{
		"a": port(0), "b": port(1), "state": "active", "reason": "", "kept": true, "origin": "kept",
	})
	wantFields(t, where+" a_to_b", row["a_to_b"].(map[string]any), map[string]any{
		"datapath": "tc", "wish": "tc", "packets": 3.0, "bytes": 300.0, "dropped": 0.0,
	})
	wantFields(t, where+" b_to_a", row["b_to_a"].(map[string]any), map[string]any{
		"datapath": "tc", "wish": "tc", "packets": 0.0, "bytes": 0.0, "dropped": 0.0,
	})
}

// TestKeptWithoutAnyProcess adds pairs, changes and removes them, with nothing
// running in between.
func TestKeptWithoutAnyProcess(t *testing.T) {
	b := newBench(t, 4)
	b.lists()
	b.run("add", port(0), port(1))
	b.run("add", port(3), port(2))
	b.lists("sw0-sw1 active", "sw3-sw2 active")
	b.awaitPath(0, 1)
	b.awaitPath(2, 3)
	b.run("del", port(1), port(0))
	b.lists("sw3-sw2 active")
	b.awaitBare(b.hub, port(0), port(1))
	b.awaitPath(3, 2)

	b.run("apply", "-f", newLinksFile(t, "sw0: sw2", "sw1: {peer: sw3, datapath: xdp-generic}").path)
	b.lists("sw0-sw2 active", "sw1-sw3 active")
	b.awaitPath(0, 2)
	b.awaitPath(3, 1)

	b.run("del", port(2))
	b.run("del", port(1))
	b.lists()
	b.awaitBare(b.hub, port(0), port(1), port(2), port(3))
	b.nothingPinned()
}

func (b *bench) nothingPinned() {
	b.t.Helper()
	for _, folder := range pinFolders(b.t, b.hub) {
		if _, err := os.Stat(folder); !os.IsNotExist(err) {
			b.t.Errorf("%s is still there (%v)", folder, err)
		}
	}
}

// TestPinsRemoved has somebody remove the pins of a kept pair, with which go
// links, and not filters: del ends the pair all the same, and add replaces it.
func TestPinsRemoved(t *testing.T) {
	b := newBench(t, 2)
	removePins := func() {
		for _, folder := range pinFolders(t, b.hub) {
			b.check(os.RemoveAll(folder))
		}
	}
	b.run("add", port(0), port(1))
	removePins()
	_ = b.try("del", port(1)) // or there is nothing left to end
	b.awaitBare(b.hub, port(0), port(1))
	b.run("add", port(0), port(1))
	removePins()
	b.await(func() error { // for links to be gone
		if got := b.try("add", port(0), port(1)); got.status != 0 {
			return errors.New(got.errOut)
		}
		return nil
	})
	b.lists("sw0-sw1 active")
	b.run("del", port(0))
	b.awaitBare(b.hub, port(0), port(1))
}

// TestAddsAtOnce has several processes change the set at the same time.
func TestAddsAtOnce(t *testing.T) {
	const pairs = 4
	b := newBench(t, 2*pairs)
	var adding [pairs]*exec.Cmd
	for i := range adding {
		adding[i] = ebpftop(t, "xconnect", "add", port(2*i), port(2*i+1))
		adding[i].Stderr = new(strings.Builder)
		b.check(b.hub.Start(adding[i]))
	}
	for _, cmd := range adding {
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v: %v, %s", cmd.Args[1:], err, cmd.Stderr)
		}
	}
	b.lists("sw0-sw1 active", "sw2-sw3 active", "sw4-sw5 active", "sw6-sw7 active")
	for i := range pairs {
		b.awaitPath(2*i, 2*i+1)
	}
}

// TestForeignXDP finds another's XDP program on an interface, which must stay.
func TestForeignXDP(t *testing.T) {
	b := newBench(t, 2)
	b.check(b.hub.AttachXDP(port(0), "foreign"))
	before := b.xdpProgram(port(0))
	for _, datapath := range []string{"xdp", "xdp-generic"} {
		wantOneLine(t, b.try("add", port(0), port(1), "--datapath", datapath), port(0), "foreign")
		wantOneLine(t, b.try("add", port(1), port(0), "--datapath", datapath), port(0), "foreign")
	}
	b.lists()
	b.awaitBare(b.hub, port(1))

	b.run("add", port(0), port(1))
	if pair := b.only(); pair.AToB.Datapath != crossconnect.TC {
		t.Errorf("datapath %s beside another's XDP program, want tc", pair.AToB.Datapath)
	}
	b.awaitPath(0, 1)
	b.awaitPath(1, 0)
	b.run("del", port(0))
	if after := b.xdpProgram(port(0)); after != before || before == 0 {
		t.Errorf("XDP program %d became %d", before, after)
	}
}

func (b *bench) xdpProgram(iface string) uint32 {
	b.t.Helper()
	link, err := b.hub.Link(iface)
	b.check(err)
	return link.Attrs().Xdp.ProgId
}

// TestBadWishes covers what users get wrong: it is said in one line, and
// nothing changes.
func TestBadWishes(t *testing.T) {
	b := newBench(t, 4)
	b.run("add", port(0), port(1))
	r := b.start(newLinksFile(t, "sw3: sw3"))
	b.awaitPath(3, 3)
	before, attached := b.list(), attachments(t, b.hub, port(2))
	for _, test := range []struct {
		args   string
		words  []string
		status exitStatus
	}{
		{"add sw2 nosuch0", []string{"nosuch0"}, exitFailed},
		{"add nosuch0 sw2", []string{"nosuch0"}, exitFailed},
		{"add sw2 sw0", []string{"sw0", "sw1"}, exitFailed},
		{"add sw1 sw2", []string{"sw0", "sw1"}, exitFailed},
		{"add sw2 sw3", []string{"sw3", strconv.Itoa(r.cmd.Process.Pid)}, exitFailed},
		{"add lo sw2", []string{"lo"}, exitFailed},
		{"add sw2 lo", []string{"lo"}, exitFailed},
		{"add sw2 a-name-longer-than-fifteen", []string{"a-name-longer-than-fifteen"}, exitWrongUse},
		{"add sw2 sw2 --datapath fast", []string{`"fast"`, "xdp-generic"}, exitWrongUse},
		{"add sw2 sw2 --trial -1s", []string{"--trial", "-1s"}, exitWrongUse},
		{"add sw2 sw2 --trial soon", []string{"--trial", "soon"}, exitWrongUse},
		{"add sw2", nil, exitWrongUse},
		{"add sw2 sw2 sw2", nil, exitWrongUse},
		{"del sw2", []string{"sw2"}, exitFailed},
		{"del sw0 sw2", []string{"sw0"}, exitFailed},
		{"del sw3", []string{"sw3", strconv.Itoa(r.cmd.Process.Pid)}, exitFailed},
		{"apply", nil, exitWrongUse},
		{"apply -f /nosuch.yaml", []string{"/nosuch.yaml"}, exitFailed},
		{"run", nil, exitWrongUse},
		{"run -f /nosuch.yaml", []string{"/nosuch.yaml"}, exitFailed},
		{"confirm", []string{"trial"}, exitFailed},
		{"rollback", []string{"trial"}, exitFailed},
		{"connect", []string{"connect"}, exitWrongUse},
	} {
		t.Run(test.args, func(t *testing.T) {
			got := finish(t, b.hub, ebpftop(t, append([]string{"xconnect"}, strings.Fields(test.args)...)...))
			wantOneLine(t, got, test.words...)
			if got.status != int(test.status) || got.out != "" {
				t.Errorf("status %d, want %d, printed %q", got.status, test.status, got.out)
			}
		})
	}
	// Only the frames that awaitPath sent were counted, before.
	if after := b.list(); !reflect.DeepEqual(after, before) {
		t.Errorf("before\n%+v, after\n%+v", before, after)
	}
	if after := attachments(t, b.hub, port(2)); !slices.Equal(after, attached) {
		t.Errorf("attached to %s: %v, was %v", port(2), after, attached)
	}
	r.end(syscall.SIGTERM)
	b.lists("sw0-sw1 active")
}

// TestPairsAreOfTheirNamespace keeps a pair in one namespace and looks in
// another, that has interfaces of the same names and indexes.
func TestPairsAreOfTheirNamespace(t *testing.T) {
	b, other := newBench(t, 2), newBench(t, 2)
	b.run("add", port(0), port(1))
	other.lists()
	other.run("add", port(1), port(0))
	b.run("del", port(0))
	b.lists()
	other.lists("sw1-sw0 active")
	other.awaitPath(0, 1)
}

// TestAddressesStay checks that connecting an interface takes nothing from it
// but its frames.
func TestAddressesStay(t *testing.T) {
	b := newBench(t, 2)
	b.check(b.hub.AddAddress(port(0), "192.0.2.1/24"))
	b.run("add", port(0), port(1))
	b.run("del", port(0))
	b.check(b.hub.Do(func() error {
		link, err := netlink.LinkByName(port(0))
		if err != nil {
			return err
		}
		addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
		if len(addresses) != 1 || link.Attrs().Promisc != 0 || link.Attrs().Flags&net.FlagUp == 0 {
			t.Errorf("%s has the addresses %v, promiscuity %d, flags %v", port(0), addresses, link.Attrs().Promisc, link.Attrs().Flags)
		}
		return err
	}))
	b.check(b.hosts[0].AddAddress("net0", "192.0.2.2/24"))
	b.check(b.hosts[0].Ping(t.Context(), netip.MustParseAddr("192.0.2.1"), 3))
}
