package main

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// serviceManager sends systemd the state of the process, by sd_notify(3). A nil one sends
// nothing.
type serviceManager struct {
	fd       int
	watchdog time.Duration // in which it wants to hear of the process, 0: never
	status   string        // the last one
	unsent   string        // what its socket had no room for
}

// findServiceManager connects to the socket of $NOTIFY_SOCKET. Because a confined process
// cannot connect any more, that is done before. The variables are not passed on.
func findServiceManager() (*serviceManager, error) {
	address := os.Getenv("NOTIFY_SOCKET")
	watchdog, pid := os.Getenv("WATCHDOG_USEC"), os.Getenv("WATCHDOG_PID")
	for _, name := range []string{"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if address == "" {
		return nil, nil
	}
	if address[0] != '/' && address[0] != '@' {
		return nil, fmt.Errorf("NOTIFY_SOCKET=%s: this is no path of a socket", address)
	}
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open a socket: %w", err)
	}
	// With an @, the address is an abstract one.
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: address}); err != nil {
		return nil, errors.Join(fmt.Errorf("connect to NOTIFY_SOCKET=%s: %w", address, err), unix.Close(fd))
	}
	m := &serviceManager{fd: fd}
	if usec, err := strconv.ParseUint(watchdog, 10, 63); err == nil && (pid == "" || pid == strconv.Itoa(os.Getpid())) {
		m.watchdog = time.Duration(min(usec, uint64(time.Hour/time.Microsecond))) * time.Microsecond
	}
	return m, nil
}

// tell sends assignments. It does not wait: what the socket has no room for is sent before
// the next ones.
func (m *serviceManager) tell(assignments ...string) {
	if m == nil {
		return
	}
	message := m.unsent + strings.Join(assignments, "\n") + "\n"
	m.unsent = ""
	_, err := unix.Write(m.fd, []byte(message)) // of any other failure, there is nobody to tell
	const most = 4096                           // systemd takes no more in a message
	if errors.Is(err, unix.EAGAIN) && len(message) < most {
		m.unsent = message
	}
}

// ready says that the process does its work.
func (m *serviceManager) ready() { m.tell("READY=1") }

// reloading says that the process reads its file again, until ready.
func (m *serviceManager) reloading() {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // it is there since Linux 2.6
	m.tell("RELOADING=1", fmt.Sprint("MONOTONIC_USEC=", now.Nano()/1000))
}

// alive says that the process is alive. Only the loop that does the work may call it: if
// that hangs, systemd ends the process.
func (m *serviceManager) alive() { m.tell("WATCHDOG=1") }

// stopping says that the process is about to end.
func (m *serviceManager) stopping() { m.tell("STOPPING=1") }

// setStatus says in a line how the process is, if it is otherwise.
func (m *serviceManager) setStatus(line string) {
	if m == nil || line == m.status {
		return
	}
	m.status = line
	m.tell("STATUS=" + line)
}

// pings says when to call alive: never without a watchdog.
func (m *serviceManager) pings() <-chan time.Time {
	if m == nil || m.watchdog < time.Millisecond {
		return nil
	}
	return time.Tick(m.watchdog / 2)
}

// Close closes the socket.
func (m *serviceManager) Close() {
	if m != nil {
		_ = unix.Close(m.fd) // all was sent
	}
}
