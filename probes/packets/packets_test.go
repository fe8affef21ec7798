package packets

import (
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// rig is an interface of a host, watched, whose other end is in a peer.
type rig struct {
	t           *testing.T
	host, peer  *lab.Namespace
	packets     *Program
	connections *Connections
	watched     *Interfaces
	prepare     func(*Program) error // before anything is attached; may be nil
	ageing      probes.Ageing
}

const (
	hostInterface = "host0"
	peerInterface = "peer0"
)

// newRig makes a host and a peer, and watches host0 at one hook and no other.
func newRig(t *testing.T, hook probes.Hook, maxConnections uint32, ports ...uint16) *rig {
	t.Helper()
	host, peer := newPair(t)
	return newRigOn(t, host, peer, hook, maxConnections, ports...)
}

func newPair(t *testing.T) (host, peer *lab.Namespace) {
	t.Helper()
	labtest.RequireRoot(t)
	host, peer = labtest.Namespace(t), labtest.Namespace(t)
	if err := lab.QuietVeth(host, hostInterface, peer, peerInterface); err != nil {
		t.Fatal(err)
	}
	return host, peer
}

func newRigOn(t *testing.T, host, peer *lab.Namespace, hook probes.Hook, maxConnections uint32, ports ...uint16) *rig {
	t.Helper()
	r := &rig{t: t, host: host, peer: peer}
	r.open(hook, maxConnections, ports...)
	if row, _ := r.poll(); row.Hook != hook {
		t.Fatalf("hook %q instead of %q: %s", row.Hook, hook, row.HookReason)
	}
	return r
}

// open makes the probes and attaches to host0.
func (r *rig) open(wish probes.Hook, maxConnections uint32, ports ...uint16) {
	r.t.Helper()
	r.openOn(hostInterface, wish, maxConnections, ports...)
}

func (r *rig) openOn(iface string, wish probes.Hook, maxConnections uint32, ports ...uint16) {
	r.t.Helper()
	var err error
	r.packets, err = New(Options{Interfaces: 2, MaxConnections: maxConnections, Ports: ports})
	r.check(err)
	r.t.Cleanup(func() { r.check(r.packets.Close()) })
	if r.prepare != nil {
		r.check(r.prepare(r.packets))
	}
	r.connections, err = NewConnections(r.packets, kernel.NewClock(), r.ageing)
	r.check(err)
	r.t.Cleanup(func() { r.check(r.connections.Close()) })
	r.watched = NewInterfaces(r.packets, wish, []string{iface})
	r.reconcile()
	r.t.Cleanup(func() { r.check(r.host.Do(func() error { return r.watched.Close(nil) })) })
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) reconcile() {
	r.t.Helper()
	r.check(r.host.Do(func() error {
		links, err := rtnl.ListLinks()
		if err != nil {
			return err
		}
		if err := r.watched.Reconcile(links); err != nil {
			return err
		}
		r.watched.Queue.All()
		return nil
	}))
}

func (r *rig) pollConnections() Polled {
	r.t.Helper()
	polled, err := r.connections.Poll(r.watched.Standing, 0)
	r.check(err)
	return polled
}

// poll reads what was counted on the first watched interface.
func (r *rig) poll() (row probes.Interface, protocols []probes.Protocol) {
	r.t.Helper()
	r.check(r.host.Do(func() error {
		links, err := rtnl.ListLinks()
		if err != nil {
			return err
		}
		rows, traffic, err := r.watched.Poll(links, time.Second)
		if len(rows) > 0 {
			row, protocols = rows[0], traffic
		}
		return err
	}))
	return row, protocols
}

// await polls until the interface has counted that many frames in all; frames
// reach XDP in a veth only when its NAPI runs.
func (r *rig) await(frames uint64) (probes.Interface, []probes.Protocol) {
	r.t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		row, protocols := r.poll()
		if row.RXPackets+row.TXPackets >= frames {
			return row, protocols
		}
		if time.Now().After(deadline) {
			r.t.Fatalf("%d frames counted, want %d: %+v", row.RXPackets+row.TXPackets, frames, protocols)
		}
	}
}

func repeat(frame []byte, times int) [][]byte {
	frames := make([][]byte, times)
	for i := range frames {
		frames[i] = frame
	}
	return frames
}

// TestFramesCounted sends frames of every kind through a veth, both ways, and
// expects exactly them, on every hook.
func TestFramesCounted(t *testing.T) {
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			t.Parallel()
			host, peer := newPair(t)
			for _, kind := range frameKinds() {
				t.Run(kind.name, func(t *testing.T) {
					testFrameCounted(newRigOn(t, host, peer, hook, 1000), hook, kind)
				})
			}
		})
	}
}

func testFrameCounted(r *rig, hook probes.Hook, kind frameKind) {
	var received, sent uint64 = 20, 7
	r.check(r.peer.Inject(peerInterface, repeat(kind.frame, int(received))...))
	r.check(r.host.Inject(hostInterface, repeat(kind.frame, int(sent))...))
	if kind.droppedBeforeTC && (hook == probes.HookTC || hook == probes.HookClsact) {
		received = 0
	}
	row, protocols := r.await(received + sent)

	size := uint64(len(kind.frame))
	if row.RXPackets != received || row.RXBytes != received*size || row.TXPackets != sent || row.TXBytes != sent*size {
		r.t.Errorf("interface counts rx %d (%d B), tx %d (%d B); frames have %d B",
			row.RXPackets, row.RXBytes, row.TXPackets, row.TXBytes, size)
	}
	wantMalformed := uint64(0)
	if kind.malformed {
		wantMalformed = received + sent
	}
	if row.Malformed != wantMalformed {
		r.t.Errorf("%d malformed, want %d", row.Malformed, wantMalformed)
	}
	for _, p := range protocols {
		packets := received
		if p.Direction == probes.TX {
			packets = sent
		}
		if p.Name != kind.protocol || p.Packets != packets || p.Bytes != packets*size {
			r.t.Errorf("got %s %s with %d packets, %d B; want %s with %d, %d",
				p.Direction, p.Name, p.Packets, p.Bytes, kind.protocol, packets, packets*size)
		}
	}
	r.checkConnections(kind, received, sent)
}

// checkConnections expects the frames as one row for each direction, since
// the same frame sent and received has its ends the other way round.
func (r *rig) checkConnections(kind frameKind, received, sent uint64) {
	r.t.Helper()
	polled := r.pollConnections()
	rows := polled.Passages // the frame goes both ways, as if the host forwarded it
	if !kind.connection {
		if len(rows) != 0 {
			r.t.Errorf("tracked as %+v", rows)
		}
		return
	}
	if len(rows) != 2 || len(polled.Connections) != 1 || polled.New != 1 || polled.Lost != (probes.Lost{}) {
		r.t.Fatalf("%d rows of %d connections, %d new, lost %+v", len(rows), len(polled.Connections), polled.New, polled.Lost)
	}
	local, remote := kind.ends()
	size := uint64(len(kind.frame))
	for _, row := range rows {
		packets, bytes, wantLocal, wantRemote := received, received*size, local, remote
		gotPackets, gotBytes := row.RXPackets, row.RXBytes
		if row.TXPackets > 0 {
			packets, bytes, wantLocal, wantRemote = sent, sent*size, remote, local
			gotPackets, gotBytes = row.TXPackets, row.TXBytes
		}
		if row.Local != wantLocal || row.Remote != wantRemote || gotPackets != packets || gotBytes != bytes || row.Protocol != kind.protocol {
			r.t.Errorf("row %+v, want %v to %v, %d packets, %d B", row, wantLocal, wantRemote, packets, bytes)
		}
		if kind.protocol == "tcp" && row.RXFlags|row.TXFlags != 0x18 {
			r.t.Errorf("TCP flags %02x, want PSH and ACK", row.RXFlags|row.TXFlags)
		}
	}
}

// ends are the ends as the host sees them in received frames.
func (k *frameKind) ends() (local, remote probes.Endpoint) {
	var ports [2]uint16
	if k.ports {
		ports = [2]uint16{hostPort, peerPort}
	}
	addresses := [2]string{"10.0.0.2", "10.0.0.1"}
	if k.ipv6 {
		addresses = [2]string{"fd00::2", "fd00::1"}
	}
	end := func(i int) probes.Endpoint {
		return probes.Endpoint(netip.AddrPortFrom(netip.MustParseAddr(addresses[i]), ports[i]))
	}
	return end(0), end(1)
}

// TestVerdict expects every frame to be passed on, by BPF_PROG_TEST_RUN.
func TestVerdict(t *testing.T) {
	labtest.RequireRoot(t)
	const xdpPass, tcUnspec uint32 = 2, 1<<32 - 1
	for _, program := range verdictPrograms(t) {
		name, want := program.String(), tcUnspec
		if program.Type() == ebpf.XDP {
			want = xdpPass
		}
		for _, kind := range frameKinds() {
			got, _, err := program.Test(kind.frame)
			if kind.malformed && errors.Is(err, unix.EINVAL) {
				continue // the kernel makes no skb of a frame that ends in its IP header
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, kind.name, err)
			} else if got != want {
				t.Errorf("%s: %s: verdict %d, want %d", name, kind.name, got, want)
			}
		}
	}
}

// verdictPrograms loads the packet programs that have a verdict.
func verdictPrograms(t *testing.T) (programs []*ebpf.Program) {
	t.Helper()
	p, err := New(Options{Interfaces: 1, MaxConnections: 1000})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Close() })
	for _, entries := range []entries{connectionEntries, protocolEntries} {
		for _, name := range []string{entries.xdp, entries.xdpConnect, entries.tc, entries.tcSend} {
			program, err := p.program(name)
			if err != nil {
				t.Fatalf("%+v", err)
			}
			programs = append(programs, program)
		}
	}
	return programs
}
