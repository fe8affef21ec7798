package crossconnect

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

func TestDiagnose(t *testing.T) {
	eth1, eth2 := nic("eth1"), nic("eth2")
	jumbo := with(eth1, func(d *device) { d.mtu = 9000 })
	veth2 := with(nic("veth2"), func(d *device) { d.kind = "veth" })
	dropped := func(errno unix.Errno) []redirectError { return []redirectError{{errno, 10}, {unix.EIO, 1}} }

	for name, test := range map[string]struct {
		symptoms
		want string
	}{
		"all is well": {symptoms{ingress: eth1, egress: eth2, datapath: XDP}, ""},
		"larger MTU":  {symptoms{ingress: eth2, egress: jumbo, datapath: XDP}, ""},
		"down": {
			symptoms{ingress: jumbo, egress: with(eth2, func(d *device) { d.isUp, d.hasCarrier = false, false }), datapath: XDP, errors: dropped(unix.ENETDOWN)},
			"eth2 is down: ip link set eth2 up",
		},
		"no carrier": {
			symptoms{ingress: jumbo, egress: with(eth2, func(d *device) { d.hasCarrier = false }), datapath: TC, txDropped: 7},
			"eth2 has no carrier: the cable is unplugged or the far end down",
		},
		"smaller MTU": {
			symptoms{ingress: jumbo, egress: eth2, datapath: XDP},
			"eth2 drops frames longer than 1518 bytes: ip link set eth2 mtu 9000",
		},
		"smaller MTU, generic XDP": {
			symptoms{ingress: jumbo, egress: eth2, datapath: XDPGeneric, errors: dropped(unix.EMSGSIZE)},
			"eth2 drops frames longer than 1518 bytes: ip link set eth2 mtu 9000",
		},
		"smaller MTU, tc": {symptoms{ingress: jumbo, egress: eth2, datapath: TC}, ""},
		"smaller MTU, tc and drops": {
			symptoms{ingress: jumbo, egress: eth2, datapath: TC, txDropped: 7},
			"eth2 drops frames longer than 1518 bytes: ip link set eth2 mtu 9000",
		},
		"smaller MTU, other drops": {
			symptoms{ingress: jumbo, egress: eth2, datapath: XDP, errors: dropped(unix.EOPNOTSUPP)},
			"eth2 cannot send XDP frames (no ndo_xdp_xmit): use --datapath tc",
		},
		"two VLAN tags": {
			symptoms{ingress: eth1, egress: eth2, datapath: XDP, errors: dropped(unix.EMSGSIZE)},
			"eth2 drops frames longer than 1518 bytes: ip link set eth2 mtu 1504",
		},
		"aggregates": {
			symptoms{ingress: eth1, egress: eth2, datapath: XDPGeneric, errors: dropped(unix.EMSGSIZE)},
			"generic XDP drops aggregates of frames (GRO, GSO) longer than a frame of eth2: use --datapath tc",
		},
		"notes beside a frame": {
			symptoms{ingress: veth2, egress: eth1, datapath: XDP, losesNotes: true},
			"native XDP loses checksums of TCP and UDP, and VLAN tags, that the far end of veth2 leaves to its device: ethtool -K IF tx off txvlan off there, or use --datapath tc",
		},
		"notes beside a frame, tc":       {symptoms{ingress: veth2, egress: eth1, datapath: TC, losesNotes: true}, ""},
		"notes beside a frame, hardware": {symptoms{ingress: eth1, egress: veth2, datapath: XDP, losesNotes: true}, ""},
		"veth before Linux 6.3": {
			symptoms{ingress: eth1, egress: veth2, datapath: XDP, errors: dropped(unix.ENXIO)},
			"the far end of veth2 takes no XDP frames, for it has no NAPI: switch GRO on there (ethtool -K IF gro on, Linux 5.13), or use --datapath tc",
		},
		"veth since": {
			symptoms{ingress: eth1, egress: veth2, datapath: XDP, errors: dropped(unix.EOPNOTSUPP)},
			"the far end of veth2 takes no XDP frames, for it has no NAPI: switch GRO on there (ethtool -K IF gro on, Linux 5.13), or use --datapath tc",
		},
		"long frames before Linux 6.3": {
			symptoms{ingress: with(veth2, func(d *device) { d.mtu = 100_000 }), egress: with(veth2, func(d *device) { d.mtu = 100_000 }), datapath: XDP, onePage: true},
			fmt.Sprintf("before Linux 6.3, native XDP drops frames of veth2 longer than %d bytes: use --datapath tc", frameInPage()),
		},
		"no queues": {
			symptoms{ingress: eth1, egress: eth2, datapath: XDP, errors: dropped(unix.ENXIO)},
			"the driver of eth2 has no queues for XDP frames (ENXIO): use --datapath xdp in both directions, or --datapath tc",
		},
		"was down": {
			symptoms{ingress: eth1, egress: eth2, datapath: XDP, errors: dropped(unix.ENETDOWN)},
			"eth2 was down, or its driver not ready to send XDP frames (ENETDOWN)",
		},
		"queue full": {
			symptoms{ingress: eth1, egress: eth2, datapath: XDP, errors: dropped(0)},
			"the send queue of eth2 is full: it sends slower than eth1 receives (a longer queue: ethtool -G eth2 tx N)",
		},
		"driver says queue full": {
			symptoms{ingress: eth1, egress: eth2, datapath: XDP, errors: dropped(unix.ENOSPC)},
			"the send queue of eth2 is full: it sends slower than eth1 receives (a longer queue: ethtool -G eth2 tx N)",
		},
		"far end full": {
			symptoms{ingress: eth1, egress: veth2, datapath: XDP, errors: dropped(0)},
			"the far end of veth2 takes no more: it is too slow, or its MTU smaller than that of eth1",
		},
		"anything else": {
			symptoms{ingress: eth1, egress: eth2, datapath: XDP, errors: dropped(unix.EIO)},
			"eth2 does not take XDP frames (EIO): use --datapath tc",
		},
		"tc drops": {
			symptoms{ingress: eth1, egress: eth2, datapath: TC, txDropped: 7},
			"eth2 drops what it is to send (tx_dropped): its queue is full, or the far end has an MTU smaller than 1500",
		},
	} {
		if got := diagnose(test.symptoms); got != test.want {
			t.Errorf("%s:\n%q, want\n%q", name, got, test.want)
		}
	}
}

func TestRedirectError(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		0:               "queue full",
		unix.EMSGSIZE:   "EMSGSIZE: longer than the MTU allows",
		unix.EOPNOTSUPP: "EOPNOTSUPP: cannot send XDP frames",
		unix.EIO:        "EIO: input/output error",
		4000:            "errno 4000: errno 4000",
	} {
		if got := (redirectError{errno, 1}).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// symptoms of the wire as it is.
func (w *oneWay) symptoms(datapath Datapath, errors []redirectError) symptoms {
	w.t.Helper()
	return symptoms{
		ingress:  describeIn(w.t, w.hub, "in"),
		egress:   describeIn(w.t, w.hub, "out"),
		datapath: datapath,
		errors:   errors,
	}
}

func (w *oneWay) txDropped() uint64 {
	w.t.Helper()
	l, err := w.hub.Link("out")
	w.check(err)
	return l.Attrs().Statistics.TxDropped
}

func expectDiagnosis(t *testing.T, s symptoms, want string) {
	t.Helper()
	if got := diagnose(s); got != want && (want == "" || !strings.Contains(got, want)) {
		t.Errorf("%q, want %q", got, want)
	}
}

// TestDiagnoseUnpreparedVeth follows the advice.
func TestDiagnoseUnpreparedVeth(t *testing.T) {
	w := newOneWay(t)
	d := w.openRedirects("")
	w.redirectByXDP(link.XDPDriverMode)
	w.send(10, 60)
	expectDiagnosis(t, w.symptoms(XDP, w.await(d, 10).errors), "the far end of out takes no XDP frames")

	w.check(d.forget(w.in))
	w.check(w.sink.PrepareForXDP("sink"))
	w.send(10, 60)
	expectDiagnosis(t, w.symptoms(XDP, w.await(d, 10).errors), "")
}

// TestDiagnoseMTU follows the advice.
func TestDiagnoseMTU(t *testing.T) {
	for _, mode := range []struct {
		Datapath
		link.XDPAttachFlags
	}{{XDP, link.XDPDriverMode}, {XDPGeneric, link.XDPGenericMode}} {
		t.Run(string(mode.Datapath), func(t *testing.T) {
			w := newOneWay(t)
			d := w.openRedirects("")
			w.check(w.sink.PrepareForXDP("sink"))
			w.check(w.sink.SetMTU("sink", 2000))
			w.redirectByXDP(mode.XDPAttachFlags)
			w.check(w.source.SetMTU("source", 2000))
			w.check(w.hub.SetMTU("in", 2000))
			w.send(10, 2000)
			expectDiagnosis(t, w.symptoms(mode.Datapath, w.await(d, 10).errors),
				"out drops frames longer than 1518 bytes: ip link set out mtu 2000")

			wire, err := w.sink.Open("sink")
			w.check(err)
			defer wire.Close()
			w.check(w.hub.SetMTU("out", 2000))
			w.send(1, 2000)
			if frame, err := wire.Receive(time.Now().Add(5 * time.Second)); err != nil || len(frame) != 2000 {
				t.Errorf("received %d bytes (%v)", len(frame), err)
			}
			expectDiagnosis(t, w.symptoms(mode.Datapath, nil), "")
		})
	}
}

// TestDiagnoseFarEnd has frames that the egress takes and its far end does not:
// the driver drops them without an error.
func TestDiagnoseFarEnd(t *testing.T) {
	w := newOneWay(t)
	d := w.openRedirects("")
	w.check(w.sink.PrepareForXDP("sink"))
	w.redirectByXDP(link.XDPDriverMode)
	w.check(w.source.SetMTU("source", 2000))
	w.check(w.hub.SetMTU("in", 2000))
	w.check(w.hub.SetMTU("out", 2000))
	w.send(50, 2000)
	got := w.await(d, 50)
	w.expect(got, 0, redirectError{0, 50})
	expectDiagnosis(t, w.symptoms(XDP, got.errors), "the far end of out takes no more")
}

// TestDiagnoseTC has a far end with an MTU smaller than that of the frames.
func TestDiagnoseTC(t *testing.T) {
	w := newOneWay(t)
	w.redirectByTC()
	w.check(w.source.SetMTU("source", 2000))
	w.check(w.hub.SetMTU("in", 2000))
	s := w.symptoms(TC, nil)
	expectDiagnosis(t, s, "")

	w.send(10, 2000)
	for deadline := time.Now().Add(10 * time.Second); s.txDropped < 10; time.Sleep(time.Millisecond) {
		if s.txDropped = w.txDropped(); time.Now().After(deadline) {
			t.Fatalf("%d dropped after 10 s", s.txDropped)
		}
	}
	expectDiagnosis(t, s, "out drops frames longer than 1518 bytes: ip link set out mtu 2000")

	w.check(w.hub.SetMTU("out", 2000)) // but not the far end
	s = w.symptoms(TC, nil)
	s.txDropped = 10
	expectDiagnosis(t, s, "the far end has an MTU smaller than 2000")
}

// TestDiagnoseDown sets either end down.
func TestDiagnoseDown(t *testing.T) {
	w := newOneWay(t)
	sink, err := w.sink.Link("sink")
	w.check(err)
	w.check(w.sink.Do(func() error { return netlink.LinkSetDown(sink) }))
	expectDiagnosis(t, w.symptoms(TC, nil), "out has no carrier")

	out, err := w.hub.Link("out")
	w.check(err)
	w.check(w.hub.Do(func() error { return netlink.LinkSetDown(out) }))
	expectDiagnosis(t, w.symptoms(TC, nil), "out is down: ip link set out up")
}

// TestLongFrames connects veths by native XDP whose frames may be longer than a
// page.
func TestLongFrames(t *testing.T) {
	b := newBench(t, 2)
	b.check(b.hub.SetMTU(near(0), 9000))
	b.check(b.hub.SetMTU(near(1), 9000))
	w := b.own()
	if !kernelIsAtLeast(t, 5, 18) {
		b.check(b.far.SetMTU(far(0), 9000))
		b.refused(w, "the MTU of the far end is too large", pair(0, 1, XDP))
		b.check(b.far.SetMTU(far(0), 1500))
	}
	b.set(w, pair(0, 1, XDP))
	says := b.only(w).Reason
	if kernelIsAtLeast(t, 6, 3) != (says == "") || says != "" && !strings.Contains(says, "frames of p0 longer than") {
		t.Errorf("says %q", says)
	}
}
