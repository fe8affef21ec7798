package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestServiceManager is told by run what it does, on a socket with a path and on an abstract
// one, also once run is confined.
func TestServiceManager(t *testing.T) {
	b := newBench(t, 2)
	for _, address := range []string{filepath.Join(t.TempDir(), "notify"), "@ebpftop-test-notify"} {
		var socket *net.UnixConn
		b.check(b.hub.Do(func() (err error) { // abstract ones are of a network namespace
			socket, err = net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
			return err
		}))
		defer socket.Close()
		b.check(socket.SetReadDeadline(time.Now().Add(patience)))
		buffer := make([]byte, 4096)
		var before string
		await := func(words ...string) {
			t.Helper()
			for {
				n, err := socket.Read(buffer)
				if err != nil {
					t.Fatalf("%s: want %q: %v, last %q", address, words, err, before)
				}
				if before = string(buffer[:n]); containsAll(before, words) {
					return
				}
			}
		}
		file := newLinksFile(t, "sw0: sw1")
		r := b.newRunner(file)
		r.cmd.Env = append(r.cmd.Env, "NOTIFY_SOCKET="+address, "WATCHDOG_USEC=200000")
		r.start()
		await("STATUS=pairs: 1 up\n")
		await("READY=1\n")
		await("WATCHDOG=1\n")
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", supervisorOf(t, r.cmd.Process.Pid)))
		if b.check(err); strings.Contains(string(environ), "NOTIFY_SOCKET") || strings.Contains(string(environ), "WATCHDOG") {
			t.Errorf("the process at its side has it, too: %q", environ)
		}
		b.check(r.cmd.Process.Signal(syscall.SIGHUP))
		await("RELOADING=1\nMONOTONIC_USEC=")
		await("READY=1\n")
		file.swap("sw0: missing0")
		await("STATUS=pairs: 1 up; ", "missing0", "the last good links go on")
		await("WATCHDOG=1\n")
		b.check(r.cmd.Process.Signal(syscall.SIGTERM))
		await("STOPPING=1\n")
		r.end(syscall.SIGTERM)
	}
}

// TestServiceManagerThatIsNone: a wrong address keeps nothing from being connected.
func TestServiceManagerThatIsNone(t *testing.T) {
	b := newBench(t, 2)
	r := b.newRunner(newLinksFile(t, "sw0: sw1"))
	r.cmd.Env = append(r.cmd.Env, "NOTIFY_SOCKET=/nosuch")
	r.start()
	r.next("level=WARN", "service manager", "/nosuch")
	r.next("pair up")
	r.end(syscall.SIGTERM)
}

// TestWatchdogOfAnother process is not this one's.
func TestWatchdogOfAnother(t *testing.T) {
	address := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	for pid, want := range map[int]time.Duration{os.Getpid(): time.Second, os.Getppid(): 0} {
		t.Setenv("NOTIFY_SOCKET", address)
		t.Setenv("WATCHDOG_USEC", "1000000")
		t.Setenv("WATCHDOG_PID", fmt.Sprint(pid))
		m, err := findServiceManager()
		if err != nil || m.watchdog != want {
			t.Errorf("got %+v, %v, want %v", m, err, want)
		}
		m.Close()
	}
}
