package live

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// network is a switch whose interfaces are watched, and hosts behind veths: two that clients
// run on, beside the switch itself, and one for servers.
type network struct {
	hub, server *lab.Host
	clients     []*lab.Host
}

func newNetwork(t *testing.T) *network {
	t.Helper()
	host := func(n int) *lab.Host {
		return &lab.Host{
			Namespace: labtest.Namespace(t), Name: fmt.Sprint("host", n),
			IPv4: netip.AddrFrom4([4]byte{192, 0, 2, byte(n)}), IPv6: netip.MustParseAddr(fmt.Sprintf("2001:db8::%x", n)),
		}
	}
	n := &network{hub: host(254), server: host(1), clients: []*lab.Host{host(2), host(3)}}
	var ports []string
	for _, h := range append(n.clients, n.server) {
		ports = append(ports, "to-"+h.Name)
		check(t, lab.Veth(n.hub.Namespace, "to-"+h.Name, h.Namespace, "net0"))
		addAddresses(t, h, "net0")
	}
	check(t, n.hub.AddBridge("br0", ports...))
	addAddresses(t, n.hub, "br0")
	n.clients = append(n.clients, n.hub)
	return n
}

func addAddresses(t *testing.T, h *lab.Host, iface string) {
	t.Helper()
	check(t, h.AddAddress(iface, h.IPv4.String()+"/24"))
	check(t, h.AddAddress(iface, h.IPv6.String()+"/64"))
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// run runs a role to its end on a host, and returns what it says that it used. The pid is
// that which the test knows: in a PID namespace of its own, the process knows another.
func run(t *testing.T, on *lab.Host, role string, flags uintptr) []used {
	t.Helper()
	cmd := again(role)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	check(t, on.Start(cmd))
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v", role, err)
		return nil
	}
	said := readUsed(t, &out)
	if flags&syscall.CLONE_NEWPID != 0 {
		for i := range said {
			said[i].PID = uint32(cmd.Process.Pid)
		}
	}
	return said
}

func readUsed(t *testing.T, from *bytes.Buffer) (all []used) {
	t.Helper()
	for lines := bufio.NewScanner(from); lines.Scan(); {
		var u used
		check(t, json.Unmarshal(lines.Bytes(), &u))
		all = append(all, u)
	}
	return all
}

// service is a process that serves until the test is over.
type service struct {
	cmd *exec.Cmd
	out syncBuffer
}

type syncBuffer struct {
	mu sync.Mutex
	bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.Buffer.Write(p)
}

func (b *syncBuffer) said(t *testing.T) []used {
	b.mu.Lock()
	defer b.mu.Unlock()
	return readUsed(t, bytes.NewBuffer(bytes.Clone(b.Bytes())))
}

// startServices has processes serve a port of a host, all of them by the same sockets, which
// the test opens: what systemd does for a service, and a parent for its workers.
func startServices(t *testing.T, on *lab.Host, role string, port, processes int) (services []*service) {
	t.Helper()
	var files []*os.File
	check(t, on.Do(func() error {
		// Where Go can, it listens with MPTCP, whose sockets were not there in old kernels.
		config := net.ListenConfig{}
		config.SetMultipathTCP(false)
		listener, err := config.Listen(t.Context(), "tcp", fmt.Sprint(":", port))
		if err != nil {
			return err
		}
		defer listener.Close()
		conn, err := net.ListenPacket("udp", fmt.Sprint(":", port))
		if err != nil {
			return err
		}
		defer conn.Close()
		for _, socket := range []interface{ File() (*os.File, error) }{listener.(*net.TCPListener), conn.(*net.UDPConn)} {
			file, err := socket.File()
			if err != nil {
				return err
			}
			files = append(files, file)
		}
		return nil
	}))
	for range processes {
		s := &service{cmd: again(role, files...)}
		s.cmd.Stdout = &s.out
		check(t, on.Start(s.cmd))
		t.Cleanup(func() { _ = s.cmd.Process.Kill(); _ = s.cmd.Wait() })
		services = append(services, s)
	}
	for _, file := range files {
		file.Close()
	}
	return services
}

// watch takes samples of the interfaces of a host.
type watch struct {
	source *Live
	last   probes.Sample
	ended  []probes.Connection
}

func startWatch(t *testing.T, on *lab.Host, interfaces ...string) *watch {
	t.Helper()
	w := &watch{}
	check(t, on.Do(func() (err error) {
		w.source, err = New(context.Background(), Options{
			Interfaces: interfaces, MaxConnections: 65536, Interval: 100 * time.Millisecond, NoExecs: true,
		})
		return err
	}))
	t.Cleanup(func() {
		if err := w.source.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// until takes samples until one is good, or many were not. It returns whether one was.
func (w *watch) until(isGood func(*probes.Sample) bool) bool {
	for range 100 {
		sample, ok := <-w.source.Samples()
		if !ok {
			return false
		}
		w.last = sample
		w.ended = append(w.ended, sample.Ended...)
		if isGood(&w.last) {
			return true
		}
	}
	return false
}

// ofUsed finds the connection that a process used.
func (w *watch) ofUsed(u *used) *probes.Connection {
	for i := range w.last.Connections {
		if u.isOf(&w.last.Connections[i]) {
			return &w.last.Connections[i]
		}
	}
	return nil
}

// allOfUsed finds the connections with the tuple that a process used, those that ended, too.
func (w *watch) allOfUsed(u *used) (all []*probes.Connection) {
	for _, list := range [][]probes.Connection{w.last.Connections, w.ended} {
		for i := range list {
			if u.isOf(&list[i]) {
				all = append(all, &list[i])
			}
		}
	}
	return all
}

func (u *used) isOf(c *probes.Connection) bool {
	local, remote := netip.AddrPort(c.Local), netip.AddrPort(c.Remote)
	return c.Protocol == u.Protocol && (local == u.Local && remote == u.Remote || local == u.Remote && remote == u.Local)
}

// holder is a process that holds sockets, and sends when it is told to.
type holder struct {
	used  []used // TCP, UDP
	input io.WriteCloser
	cmd   *exec.Cmd
}

func startHolder(t *testing.T, on *lab.Host, server string) *holder {
	t.Helper()
	return startHolderOf(t, on, "hold "+server, 2)
}

// startHolderOf waits until it says that it has so many sockets.
func startHolderOf(t *testing.T, on *lab.Host, role string, sockets int) *holder {
	t.Helper()
	h := &holder{cmd: again(role)}
	output, w, err := os.Pipe()
	check(t, err)
	h.cmd.Stdout = w
	h.input, err = h.cmd.StdinPipe()
	check(t, err)
	check(t, on.Start(h.cmd))
	w.Close()
	t.Cleanup(func() { h.end(t); output.Close() })
	for lines := bufio.NewScanner(output); len(h.used) < sockets && lines.Scan(); {
		var u used
		check(t, json.Unmarshal(lines.Bytes(), &u))
		h.used = append(h.used, u)
	}
	return h
}

func (h *holder) send(t *testing.T) {
	t.Helper()
	_, err := h.input.Write([]byte("\n"))
	check(t, err)
}

// end has it close what it holds.
func (h *holder) end(t *testing.T) {
	t.Helper()
	if h.cmd.ProcessState != nil {
		return
	}
	h.input.Close()
	if err := h.cmd.Wait(); err != nil {
		t.Error(err)
	}
}

// owned waits until a connection has an owner that is good.
func (w *watch) owned(t *testing.T, u *used, isGood func(*probes.Connection) bool) {
	t.Helper()
	if !w.until(func(*probes.Sample) bool {
		c := w.ofUsed(u)
		return c != nil && isGood(c)
	}) {
		c := w.ofUsed(u)
		if c == nil {
			t.Fatalf("%+v is not listed", u)
		}
		t.Errorf("%+v: %v, owner %+v, %v", u, c.State, c.Owner, c.OwnerReason)
	}
}

func isOf(pid int, certainty probes.Certainty) func(*probes.Connection) bool {
	return func(c *probes.Connection) bool {
		return c.Owner != nil && c.Owner.PID == uint32(pid) && c.Owner.Certainty == certainty
	}
}
