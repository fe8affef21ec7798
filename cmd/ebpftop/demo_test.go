package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// demo is a demo under way, started from a namespace of the test: whatever
// goes wrong with its own, it is not the host's that it finds itself in.
type demo struct {
	cmd    *exec.Cmd
	from   *lab.Namespace
	errOut bytes.Buffer
	drops  bool              // dropped packets were shown
	gone   *nl.NetlinkSocket // hears of namespaces that the kernel removes
}

func newDemo(t *testing.T, args ...string) *demo {
	t.Helper()
	labtest.RequireRoot(t)
	from := labtest.Namespace(t)
	d := &demo{cmd: ebpftop(t, append([]string{"demo"}, args...)...), from: from}
	d.cmd.Env = append(d.cmd.Env, "TERM=xterm-256color", "LC_ALL=C.UTF-8")
	d.cmd.Stderr = &d.errOut
	err := from.Do(func() (err error) {
		d.gone, err = nl.Subscribe(unix.NETLINK_ROUTE, unix.RTNLGRP_NSID)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.gone.Close)
	return d
}

func (d *demo) start(t *testing.T) {
	t.Helper()
	if err := d.from.Start(d.cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.cmd.Process.Kill() }) // fails if it ended, as it should
}

// startDemo starts a demo that prints samples, and waits for the first that
// has seen traffic between client and server.
func startDemo(t *testing.T, args ...string) (*demo, *bufio.Reader) {
	t.Helper()
	d := newDemo(t, append([]string{"--stats", "--interval", "100ms"}, args...)...)
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	d.start(t)
	lines := bufio.NewReader(out)
	for {
		if seen := protocolsSeen(t, d, lines); seen["to-client rx tcp"] && seen["to-server tx tcp"] {
			return d, lines
		}
	}
}

// protocolsSeen reads a sample.
func protocolsSeen(t *testing.T, d *demo, lines *bufio.Reader) map[string]bool {
	t.Helper()
	line, err := lines.ReadBytes('\n')
	if err != nil {
		t.Fatalf("read sample: %v; demo says %q", err, d.errOut.String())
	}
	var sample struct {
		Protocols []probes.Protocol
		Drops     []struct{ Interface, Protocol string }
	}
	if err := json.Unmarshal(line, &sample); err != nil {
		t.Fatal(err)
	}
	d.drops = d.drops || slices.Contains(sample.Drops, struct{ Interface, Protocol string }{"br0", "udp"})
	seen := map[string]bool{}
	for _, p := range sample.Protocols {
		seen[fmt.Sprint(p.Interface, " ", p.Direction, " ", p.Name)] = true
	}
	return seen
}

// watchNamespaces asks the kernel to tell when the namespaces that the demo
// holds are removed, and returns how many these are.
func (d *demo) watchNamespaces(t *testing.T) int {
	t.Helper()
	paths, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", d.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	paths = append(paths, fmt.Sprintf("/proc/%d/ns/net", d.cmd.Process.Pid))
	var names []string
	for _, path := range paths {
		name, err := os.Readlink(path)
		if err != nil || !strings.HasPrefix(name, "net:") || slices.Contains(names, name) {
			continue
		}
		names = append(names, name)
		// The kernel reports the removal of namespaces that have a number here.
		err = d.from.Do(func() error {
			file, err := os.Open(path)
			if err != nil {
				return err
			}
			defer file.Close()
			return netlink.SetNetNsIdByFd(int(file.Fd()), len(names))
		})
		if err != nil {
			t.Fatalf("number namespace %s: %v", name, err)
		}
	}
	return len(names)
}

// awaitGone waits until the kernel has removed that many namespaces. They had
// no process, no interface and no program attached any more then.
func (d *demo) awaitGone(t *testing.T, namespaces int) {
	t.Helper()
	if err := d.gone.SetReceiveTimeout(&unix.Timeval{Sec: 10}); err != nil {
		t.Fatal(err)
	}
	for namespaces > 0 {
		messages, _, err := d.gone.Receive()
		if err != nil {
			t.Fatalf("%d namespaces of the demo are still there: %v", namespaces, err)
		}
		for _, m := range messages {
			if m.Header.Type == unix.RTM_DELNSID {
				namespaces--
			}
		}
	}
}

func TestDemoLeavesNothing(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			d, lines := startDemo(t)
			namespaces := d.watchNamespaces(t)
			if namespaces != 5 {
				t.Errorf("demo holds %d namespaces, want four hosts and the switch", namespaces)
			}
			if err := d.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if _, err := io.Copy(io.Discard, lines); err != nil {
				t.Error(err)
			}
			err := d.cmd.Wait()
			killed := d.cmd.ProcessState.Sys().(syscall.WaitStatus).Signaled()
			if signal == syscall.SIGKILL != killed || (!killed && err != nil) {
				t.Errorf("demo ended with %v: %s", err, d.errOut.String())
			}
			d.awaitGone(t, namespaces)
		})
	}
}

func TestDemoShowsAllTraffic(t *testing.T) {
	d, lines := startDemo(t, "--duration", "30s")
	missing := []string{"tcp", "udp", "icmp", "icmpv6", "arp", "lldp"}
	for len(missing) > 0 || !d.drops {
		seen := protocolsSeen(t, d, lines)
		missing = slices.DeleteFunc(missing, func(name string) bool {
			return seen["to-client rx "+name] && seen["to-server rx "+name]
		})
	}
}

func TestDemoDuration(t *testing.T) {
	d, lines := startDemo(t, "--duration", "5s")
	namespaces := d.watchNamespaces(t)
	if _, err := io.Copy(io.Discard, lines); err != nil {
		t.Error(err)
	}
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("demo ended with %v: %s", err, d.errOut.String())
	}
	d.awaitGone(t, namespaces)
}

func TestDemoScreen(t *testing.T) {
	d := newDemo(t)
	screen, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer screen.Close()
	if err := pty.Setsize(screen, &pty.Winsize{Cols: 120, Rows: 40}); err != nil {
		t.Fatal(err)
	}
	d.cmd.Stdin, d.cmd.Stdout = tty, tty
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	d.start(t)
	tty.Close()

	shown := readUntil(t, screen, "to-server")
	namespaces := d.watchNamespaces(t)
	if _, err := screen.WriteString("q"); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, screen) // ends with the terminal
	if err := d.cmd.Wait(); err != nil {
		t.Errorf("demo ended with %v: %s\n%s", err, d.errOut.String(), shown)
	}
	d.awaitGone(t, namespaces)
}

// readUntil reads from the terminal until it shows want.
func readUntil(t *testing.T, screen *os.File, want string) string {
	t.Helper()
	var shown strings.Builder
	buffer := make([]byte, 4096)
	for !strings.Contains(shown.String(), want) {
		n, err := screen.Read(buffer)
		shown.Write(buffer[:n])
		if err != nil {
			t.Fatalf("waiting for %q: %v after\n%s", want, err, shown.String())
		}
	}
	return shown.String()
}

func TestDemoBadDuration(t *testing.T) {
	var errOut strings.Builder
	if status := run([]string{"demo", "--duration", "-1s"}, nil, io.Discard, &errOut); status != 2 {
		t.Errorf("exit status %d, want 2", status)
	}
	if want := "ebpftop: --duration -1s: use 0 or more\n"; errOut.String() != want {
		t.Errorf("said %q, want %q", errOut.String(), want)
	}
}
