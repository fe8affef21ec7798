package packets

import (
	"encoding/binary"
	"testing"

	"github.com/ebpftop/ebpftop/probes/internal/names"
)

// TestMadeUpEthertypes floods an interface with ethertypes that nobody uses. Those that
// have a name, and IP protocols, keep rows of their own, and no frame is counted twice.
func TestMadeUpEthertypes(t *testing.T) {
	const madeUp, first = 1100, 0xa000
	r := newRig(t, tcHook, 1000)
	frame := func(ethertype uint16) []byte {
		f := make([]byte, 60)
		binary.BigEndian.PutUint16(f[12:], ethertype)
		return f
	}
	var frames [][]byte
	for n := range uint16(madeUp) {
		frames = append(frames, frame(first+n))
	}
	want := map[string]uint64{}
	for ethertype, name := range names.Ethertypes {
		if ethertype > 0x0600 && ethertype != names.EthertypeOther && name != "ipv4" && name != "ipv6" && name != "vlan" && name != "qinq" {
			frames = append(frames, frame(ethertype))
			want[name] = 1
		}
	}
	for number := range 256 {
		f := udp4Frame()
		f[14+9] = byte(number)
		frames = append(frames, f)
		want[names.IPProtocol(uint8(number))]++
	}
	r.check(r.peer.Inject(peerInterface, frames...))
	_, protocols := r.await(uint64(len(frames)))
	var total uint64
	got, unnamed := map[string]uint64{}, 0
	for _, p := range protocols {
		got[p.Name] += p.Packets
		total += p.Packets
		if p.Ethertype != nil && *p.Ethertype >= first && *p.Ethertype < first+madeUp {
			unnamed++
		}
	}
	for name, packets := range want {
		if got[name] != packets {
			t.Errorf("%s: %d frames, want %d", name, got[name], packets)
		}
	}
	if unnamed != 128 || got["other"] != madeUp-128 || total != uint64(len(frames)) {
		t.Errorf("%d ethertypes have rows, %d frames are other, of %d; want 128, %d, %d", unnamed, got["other"], total, madeUp-128, len(frames))
	}
}
