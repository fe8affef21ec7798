// Package web serves metrics by HTTP: the listener, TLS and passwords, and the server.
package web

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// FromSystemd is the address of the socket that systemd passes, by LISTEN_FDS.
const FromSystemd = "systemd"

// unixPrefix is before the path of a Unix socket.
const unixPrefix = "unix:"

// ErrAddress is of an address that cannot be meant.
var ErrAddress = errors.New("use ADDRESS:PORT such as 127.0.0.1:9435 or [::1]:9435, unix:/PATH, or systemd")

// Listen opens what to listen at. It is to be called before the process is confined.
func Listen(address string) (net.Listener, error) {
	if address == FromSystemd {
		return inherit()
	}
	if path, isUnix := strings.CutPrefix(address, unixPrefix); isUnix {
		return listenUnix(path)
	}
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return nil, ErrAddress
	}
	listener, err := net.Listen("tcp", at.String())
	return listener, explain(err)
}

// explain says what to do about an address that is not free, or not ours.
func explain(err error) error {
	switch {
	case errors.Is(err, unix.EADDRINUSE):
		return errors.New("the port is taken: end who listens there (`ss -ltnp`), or choose another one")
	case errors.Is(err, unix.EACCES):
		return errors.New("ports below 1024 take CAP_NET_BIND_SERVICE: choose another one, or --listen systemd")
	case errors.Is(err, unix.EADDRNOTAVAIL):
		return errors.New("this host has no such address: `ip address` lists those it has")
	}
	return err
}

// listenUnix makes a socket that its owner and group may connect to, in place of one that
// nobody listens at any more: because a confined process removes no files, it stays when
// ebpftop ends.
func listenUnix(path string) (net.Listener, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, ErrAddress
	}
	const most = len(unix.RawSockaddrUnix{}.Path) - 1
	if len(path) > most {
		return nil, fmt.Errorf("the path of a socket has %d bytes at most: choose a shorter one", most)
	}
	switch info, err := os.Lstat(path); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, errors.New("there is a file that is no socket: choose another path")
	default:
		if err := removeSocket(path); err != nil {
			return nil, err
		}
	}
	const othersNothing = 0o117
	defer unix.Umask(unix.Umask(othersNothing))
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false) // which would work, or not, by how it was started
	return listener, nil
}

// removeSocket removes a socket unless somebody listens at it.
func removeSocket(path string) error {
	conn, err := net.Dial("unix", path)
	if err == nil {
		conn.Close()
	}
	if err == nil || errors.Is(err, unix.EAGAIN) { // too many wait there
		return errors.New("the socket is taken: end who listens there (`ss -lxp`), or choose another path")
	}
	if !errors.Is(err, unix.ECONNREFUSED) {
		return err
	}
	return os.Remove(path)
}

// firstInherited is the descriptor of the first socket that systemd passes: sd_listen_fds(3).
const firstInherited = 3

// inherit takes the socket that systemd has passed. What says so is not passed on.
func inherit() (net.Listener, error) {
	pid, count := os.Getenv("LISTEN_PID"), os.Getenv("LISTEN_FDS")
	for _, name := range []string{"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"} {
		if err := os.Unsetenv(name); err != nil {
			return nil, err
		}
	}
	if pid != strconv.Itoa(os.Getpid()) || count != "1" {
		return nil, errors.New("systemd passed no socket, or several: start it by a .socket unit with one ListenStream=")
	}
	unix.CloseOnExec(firstInherited)
	file := os.NewFile(firstInherited, "socket of systemd")
	defer file.Close()
	listener, err := net.FileListener(file)
	if err != nil {
		return nil, fmt.Errorf("what systemd passed is no socket to listen at: %w", err)
	}
	if isListening, err := unix.GetsockoptInt(firstInherited, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err != nil || isListening == 0 {
		return nil, errors.Join(errors.New("what systemd passed is a connection, not a socket to listen at: the .socket unit must not have Accept=yes"), listener.Close())
	}
	return listener, nil
}

// isLoopback tells whether clients come from this host alone, by TCP.
func isLoopback(listener net.Listener) bool {
	at, isTCP := listener.Addr().(*net.TCPAddr)
	return isTCP && at.IP.IsLoopback()
}

// IsPrivate tells whether nobody but this host reaches a listener.
func IsPrivate(listener net.Listener) bool {
	_, isUnix := listener.Addr().(*net.UnixAddr)
	return isUnix || isLoopback(listener)
}
