package owners

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// dialVariable has the test binary be a process that connects to an address, under a host name
// of its own, and closes when the other end has.
const dialVariable = "EBPFTOP_TEST_DIAL"

func TestMain(m *testing.M) {
	if server := os.Getenv(dialVariable); server != "" {
		if err := dial(server); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func dial(server string) error {
	if err := unix.Sethostname([]byte("pod-7")); err != nil {
		return err
	}
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, conn)
	return errors.Join(err, conn.Close())
}

func open(t *testing.T, attach func(*ebpf.CollectionSpec) (*hooks, error)) *Probe {
	t.Helper()
	labtest.RequireRoot(t)
	p, err := newProbe(kernel.NewClock(), attach)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// host is one whose addresses all are local.
var host = &Host{IsLocal: func(netip.Addr) bool { return true }, NamespaceID: func(uint32) (int, bool) { return 0, false }}

// joinOne is joinSeen for frames that are seen now.
func (p *Probe) joinOne(t *testing.T, protocol string, local, remote netip.AddrPort) probes.Connection {
	t.Helper()
	return p.joinSeen(t, protocol, local, remote, time.Now())
}

// joinSeen joins a connection, as often as it takes until it is known or never will be. Its
// frames were seen at one moment.
func (p *Probe) joinSeen(t *testing.T, protocol string, local, remote netip.AddrPort, seen time.Time) probes.Connection {
	t.Helper()
	c := probes.Connection{
		Protocol: protocol, Path: []string{"eth0"}, Interface: "eth0", RXPackets: 1, FirstSeen: seen, LastSeen: seen,
		Local: probes.Endpoint(local), Remote: probes.Endpoint(remote),
	}
	for range 2 * mostTries {
		rows := []probes.Connection{c}
		if _, err := p.Join(rows, nil, host); err != nil {
			t.Fatal(err)
		}
		if c = rows[0]; c.OwnerReason != probes.OwnerPending && c.OwnerReason != probes.OwnerBeforeStart {
			break
		}
		time.Sleep(5 * time.Millisecond) // more than 400 times what a survey takes is waited for between two
		p.survey, p.listing = pace{}, pace{}
	}
	return c
}

// closedUDP opens a UDP socket and closes it again. It was open at a moment.
func closedUDP(t *testing.T, remote netip.AddrPort) (local netip.AddrPort, open time.Time) {
	t.Helper()
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(remote))
	if err != nil {
		t.Fatal(err)
	}
	local, open = conn.LocalAddr().(*net.UDPAddr).AddrPort(), time.Now()
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	return local, open
}

var somewhere = netip.MustParseAddrPort("127.0.0.1:9")

// TestAttach has everything that this kernel should have.
func TestAttach(t *testing.T) {
	if p := open(t, attach); p.Problem() != "" {
		t.Error(p.Problem())
	}
}

// TestShortLivedUDP closes a socket before anybody looks.
func TestShortLivedUDP(t *testing.T) {
	p := open(t, attach)
	local, wasOpen := closedUDP(t, somewhere)
	if c := p.joinSeen(t, "udp", local, somewhere, wasOpen); c.Owner == nil || c.Owner.PID != uint32(os.Getpid()) {
		t.Errorf("owner %+v, %v", c.Owner, c.OwnerReason)
	}
}

// attachFiles is attach where the kernel lets no program look through socket storage.
func attachFiles(spec *ebpf.CollectionSpec) (*hooks, error) {
	spec.Programs[bpf.OwnersProgDatagramList].AttachTo = "nothing"
	return attach(spec)
}

// TestListOfFiles has a UDP socket in no process's files: between two processes. It is open all
// the same, and what it sends is its owner's.
func TestListOfFiles(t *testing.T) {
	p := open(t, attachFiles)
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(somewhere))
	if err != nil {
		t.Fatal(err)
	}
	local := conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if !p.hooks.hasStorage { // before Linux 5.11: surveys tell of what is open, and are of files anyway
		if c := p.joinOne(t, "udp", local, somewhere); c.Owner == nil || c.Owner.PID != uint32(os.Getpid()) {
			t.Errorf("owner %+v, %v", c.Owner, c.OwnerReason)
		}
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}
		return
	}
	file, err := conn.File()
	if err := errors.Join(err, conn.Close()); err != nil {
		t.Fatal(err)
	}
	if err := p.list(); err != nil {
		t.Fatal(err)
	}

	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pair[0])
	defer unix.Close(pair[1])
	err = unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(int(file.Fd())), nil, 0)
	p.sockets.forget() // of a poll, after which the list is another one
	if err := errors.Join(err, file.Close(), p.list()); err != nil {
		t.Fatal(err)
	}
	if c := p.joinSeen(t, "udp", local, somewhere, time.Now().Add(time.Second)); c.Owner == nil || c.Owner.PID != uint32(os.Getpid()) {
		t.Errorf("on its way: owner %+v, %v", c.Owner, c.OwnerReason)
	}
}

// TestContainer has a process connect in a control group as a runtime makes it, under a host
// name of its own. It is gone, and its control group with it, before anybody looks.
func TestContainer(t *testing.T) {
	p := open(t, attach)
	const id = "3f1b2c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809"
	group, remove := makeControlGroup(t, "docker-"+id+".scope")
	in := labtest.Namespace(t)
	var listener net.Listener
	if err := in.Do(func() (err error) {
		listener, err = net.Listen("tcp", "127.0.0.1:0")
		return err
	}); err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), dialVariable+"="+listener.Addr().String())
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUTS, UseCgroupFD: true, CgroupFD: int(group.Fd())}
	if err := in.Start(cmd); err != nil {
		t.Fatal(err)
	}
	accepted, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	seen := time.Now()
	accepted.Close()
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	remove()
	local := accepted.RemoteAddr().(*net.TCPAddr).AddrPort()
	c := p.joinSeen(t, "tcp", local, listener.Addr().(*net.TCPAddr).AddrPort(), seen)
	if o := c.Owner; o == nil || o.PID != uint32(cmd.Process.Pid) || o.Container != id || o.Unit != "docker-"+id+".scope" || o.Hostname != "pod-7" || o.User != "root" {
		t.Errorf("owner %+v, %v", o, c.OwnerReason)
	}
}

// makeControlGroup makes one below the root.
func makeControlGroup(t *testing.T, name string) (group *os.File, remove func()) {
	t.Helper()
	root, err := cgroupRoot()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { root.Close() })
	if err := unix.Mkdirat(int(root.Fd()), name, 0o755); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Openat(int(root.Fd()), name, unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	group = os.NewFile(uintptr(fd), name)
	remove = sync.OnceFunc(func() {
		group.Close()
		if err := unix.Unlinkat(int(root.Fd()), name, unix.AT_REMOVEDIR); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(remove)
	return group, remove
}

// TestWithoutControlGroups has no control group of version 2 to attach to: the owners of open
// sockets are found, and of those that were closed it says why not.
func TestWithoutControlGroups(t *testing.T) {
	p := open(t, func(spec *ebpf.CollectionSpec) (*hooks, error) {
		h, err := attachTracing(spec)
		return h, errors.Join(err, errors.New("no control groups"))
	})
	if !strings.Contains(p.Problem(), "no control groups") {
		t.Errorf("problem %q", p.Problem())
	}
	local, wasOpen := closedUDP(t, somewhere)
	if c := p.joinSeen(t, "udp", local, somewhere, wasOpen); c.Owner != nil || c.OwnerReason != probes.OwnersUnavailable {
		t.Errorf("closed: owner %+v, %v", c.Owner, c.OwnerReason)
	}
	conn, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(somewhere))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := p.look(); err != nil {
		t.Fatal(err)
	}
	local = conn.LocalAddr().(*net.UDPAddr).AddrPort()
	if c := p.joinOne(t, "udp", local, somewhere); c.Owner == nil || c.Owner.PID != uint32(os.Getpid()) {
		t.Errorf("open: owner %+v, %v", c.Owner, c.OwnerReason)
	}
}

// TestNothingToAttachTo has no BTF, or no right: no connection has an owner, and it says why.
func TestNothingToAttachTo(t *testing.T) {
	p := open(t, func(*ebpf.CollectionSpec) (*hooks, error) { return nil, errors.New("no BTF found") })
	if p.Problem() != "no BTF found" {
		t.Errorf("problem %q", p.Problem())
	}
	if c := p.joinOne(t, "tcp", somewhere, somewhere); c.Owner != nil || c.OwnerReason != probes.OwnersUnavailable {
		t.Errorf("owner %+v, %v", c.Owner, c.OwnerReason)
	}
}

// TestReasons has connections without an owner, each for another reason.
func TestReasons(t *testing.T) {
	p := open(t, attach)
	free, _ := closedUDP(t, somewhere) // a port that nobody has
	for _, test := range []struct {
		name, protocol string
		isLocal        bool
		first          time.Duration // before now
		want           probes.OwnerReason
	}{
		{"forwarded", "tcp", false, 0, probes.OwnerForwarded},
		{"no ports", "icmp", true, 0, probes.OwnerHasNoPorts},
		{"nobody listens", "tcp", true, 0, probes.OwnerNotConnected},
		{"nobody has the port", "udp", true, 0, probes.OwnerNoSocket},
		{"from before the start", "tcp", true, time.Hour, probes.OwnerBeforeStart},
	} {
		t.Run(test.name, func(t *testing.T) {
			host := *host
			host.IsLocal = func(netip.Addr) bool { return test.isLocal }
			var c probes.Connection
			for range 2 * mostTries {
				p.survey, p.listing = pace{}, pace{}
				c = probes.Connection{
					Protocol: test.protocol, Path: []string{"eth0"}, RXPackets: 1, LastSeen: time.Now(), FirstSeen: time.Now().Add(-test.first),
					Local: probes.Endpoint(netip.AddrPortFrom(free.Addr(), 1)), Remote: probes.Endpoint(somewhere),
				}
				rows := []probes.Connection{c}
				if _, err := p.Join(rows, nil, &host); err != nil {
					t.Fatal(err)
				}
				c = rows[0]
			}
			if c.Owner != nil || c.OwnerReason != test.want {
				t.Errorf("owner %+v, %v", c.Owner, c.OwnerReason)
			}
			if _, err := p.Join(nil, nil, &host); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestCertain has several sockets that may be at the end of a connection, whose frames were seen
// from 100 to 200 ms. One is named only if no other can have had a part in them.
func TestCertain(t *testing.T) {
	const ms = 1_000_000
	const here, there, elsewhere = 1, 2, 3 // network namespaces
	owner := func(pid uint32) *probes.Owner { return &probes.Owner{PID: pid, Comm: "one"} }
	local := netip.MustParseAddrPort("192.0.2.1:5000")
	words, anyAddress := wordsOf(local.Addr()), mappedZero
	remote := wordsOf(somewhere.Addr())
	for _, test := range []struct {
		name    string
		forward bool // the address is of another namespace
		heard   uint64
		sockets []socket
		pid     uint32 // of who is named
		reason  probes.OwnerReason
	}{
		{"one", false, 1, []socket{{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}}}, 1, probes.NoReason},
		{"two of one process", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}}, {owner: owner(1), netns: here, tuple: tuple{local: anyAddress}},
		}, 1, probes.NoReason},
		{"port shared", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}}, {owner: owner(2), netns: here, tuple: tuple{local: anyAddress}},
		}, 0, probes.OwnerSharesPort},
		{"port shared from later on", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}}, {owner: owner(2), netns: here, tuple: tuple{local: anyAddress}, since: 150 * ms},
		}, 0, probes.OwnerSharesPort},
		{"before, and after", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}, ended: 70 * ms},
			{owner: owner(2), netns: here, tuple: tuple{local: anyAddress}},
			{owner: owner(3), netns: here, tuple: tuple{local: anyAddress}, since: 230 * ms},
		}, 2, probes.NoReason},
		{"taken over meanwhile", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}, ended: 140 * ms},
			{owner: owner(2), netns: here, tuple: tuple{local: anyAddress}, since: 150 * ms},
		}, 0, probes.OwnerTakenOver},
		{"connected, so frames are handed to it", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}},
			{owner: owner(2), netns: here, tuple: tuple{local: words, remote: remote, remotePort: toNetwork(somewhere.Port())}},
		}, 2, probes.NoReason},
		{"connected, and none was handed over", false, 0, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}},
			{owner: owner(2), netns: here, tuple: tuple{local: words, remote: remote, remotePort: toNetwork(somewhere.Port())}},
		}, 0, probes.OwnerSharesPort},
		{"connected later", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}},
			{owner: owner(2), netns: here, tuple: tuple{local: words, remote: remote, remotePort: toNetwork(somewhere.Port())}, since: 150 * ms},
		}, 0, probes.OwnerSharesPort},
		{"of any address in another namespace", false, 1, []socket{
			{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}}, {owner: owner(2), netns: there, tuple: tuple{local: anyAddress}},
		}, 1, probes.NoReason},
		{"forwarded, of any address where it leads", true, 1, []socket{{owner: owner(2), netns: there, tuple: tuple{local: anyAddress}}}, 2, probes.NoReason},
		{"forwarded, of any address elsewhere", true, 1, []socket{{owner: owner(3), netns: elsewhere, tuple: tuple{local: anyAddress}}}, 0, probes.OwnerForwarded},
		{"forwarded, of any address here", true, 1, []socket{{owner: owner(1), netns: here, tuple: tuple{local: anyAddress}}}, 0, probes.OwnerForwarded},
		{"forwarded, the same in two", true, 1, []socket{
			{owner: owner(2), netns: there, tuple: tuple{local: words}}, {owner: owner(3), netns: elsewhere, tuple: tuple{local: words}},
		}, 2, probes.NoReason},
		{"forwarded, the same in one whose process has ended", true, 1, []socket{
			{owner: owner(2), netns: there, tuple: tuple{local: words}}, {owner: owner(9), netns: elsewhere, tuple: tuple{local: words}},
		}, 0, probes.OwnerInSeveralNamespaces},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := LeaveOut(kernel.NewClock())
			p.hooks, p.owners = &hooks{}, newOwnerSet(p.clock)
			id := there
			p.host = &Host{
				Namespace: here, IsLocal: func(netip.Addr) bool { return !test.forward },
				Interfaces:  []probes.Interface{{Name: "eth0", Peer: &probes.Peer{NetNSID: &id}}},
				NamespaceID: func(pid uint32) (int, bool) { return int(pid), pid != 9 },
			}
			for i, s := range test.sockets {
				s.protocol, s.localPort, s.distinct = 17, toNetwork(local.Port()), uint32(i)
				at := portKey{s.localPort, 17}
				p.sockets.datagrams[at] = p.sockets.putDatagram(p.sockets.datagrams[at], s)
			}
			c := probes.Connection{
				Protocol: "udp", Interface: "eth0", Local: probes.Endpoint(local), Remote: probes.Endpoint(somewhere), TXPackets: 1,
				FirstSeen: p.clock.Wall(100 * ms), LastSeen: p.clock.Wall(200 * ms),
			}
			c.RXPackets = test.heard
			var known joined
			p.find(&c, &known, 100*ms)
			p.describe(&c, &known)
			got := uint32(0)
			if c.Owner != nil {
				got = c.Owner.PID
			}
			if got != test.pid || c.OwnerReason != test.reason {
				t.Errorf("owner %+v, %v, want pid %d, %v", c.Owner, c.OwnerReason, test.pid, test.reason)
			}
		})
	}
}

// TestTurned has the other end of a connection be the local one, once more is seen of its path:
// the process is at the remote end then.
func TestTurned(t *testing.T) {
	p := LeaveOut(kernel.NewClock())
	p.hooks, p.owners = &hooks{}, newOwnerSet(p.clock)
	owner := &probes.Owner{PID: 1, Comm: "client"}
	here, there := netip.MustParseAddrPort("192.0.2.1:5000"), netip.MustParseAddrPort("192.0.2.2:80")
	row := probes.Connection{
		Protocol: "tcp", Path: []string{"veth0"}, Local: probes.Endpoint(here), Remote: probes.Endpoint(there),
		TXPackets: 3, RXPackets: 2, FirstSeen: time.Unix(1, 0), LastSeen: time.Unix(2, 0),
	}
	at, _ := tupleOf(&row)
	p.sockets.putStream(socket{tuple: at, owner: owner, since: 10, told: 10}, true)
	if c, _ := p.listOne(row, 11); c.Owner == nil || c.Owner.PID != 1 || c.Owner.AtRemote {
		t.Errorf("owner %+v", c.Owner)
	}
	row.Local, row.Remote, row.TXPackets, row.RXPackets = row.Remote, row.Local, row.RXPackets, row.TXPackets
	if c, ended := p.listOne(row, 12); c.Owner == nil || c.Owner.PID != 1 || !c.Owner.AtRemote || len(ended) != 0 {
		t.Errorf("turned, owner %+v, ended %v", c.Owner, ended)
	}
}

// TestStreamState has the states that no change of a socket tells.
func TestStreamState(t *testing.T) {
	for _, test := range []struct {
		name     string
		before   probes.State
		received probes.TCPFlags
		since    time.Duration
		want     probes.State
	}{
		{"closed here, then there", probes.StateFinWait2, fin, 0, probes.StateTimeWait},
		{"closed at both ends at once", probes.StateClosing, fin, 0, probes.StateTimeWait},
		{"a minute later", probes.StateFinWait2, fin, time.Minute, probes.StateClosed},
		{"closed here alone", probes.StateFinWait2, ack, 0, probes.StateFinWait2},
		{"reset", probes.StateFinWait2, rst | fin, 0, probes.StateClosed},
		{"closed there, then here", probes.StateLastAck, fin, 0, probes.StateClosed},
		{"refused", probes.StateSynSent, rst | ack, 0, probes.StateClosed},
	} {
		s := &socket{state: probes.StateClosed, before: test.before, ended: 1}
		if got := streamState(s, test.received, test.since); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}
