package owners

import (
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// OfPacket fills in whose a packet is that was dropped on an interface, on its way into this
// host or out of it: whose the socket at its local end is, as far as the last Join knew the host.
func (p *Probe) OfPacket(packet *probes.DroppedPacket, iface string, wasReceived bool) error {
	switch {
	case p.hooks == nil || p.host == nil:
		packet.OwnerReason = p.blind
		return nil
	case packet.Local == nil || packet.Remote == nil:
		packet.OwnerReason = probes.OwnerHasNoPorts
		return nil
	}
	c := probes.Connection{
		Protocol: packet.Protocol, Local: *packet.Local, Remote: *packet.Remote, Interface: iface,
		FirstSeen: packet.Time, LastSeen: packet.Time,
	}
	if wasReceived {
		c.RXPackets = 1
	} else {
		c.TXPackets = 1
	}
	known, err := p.findNow(&c)
	if known.socket != nil {
		packet.Owner = known.ownerNow()
	}
	if packet.Owner == nil || known.others != nil {
		packet.OwnerReason = p.why(&c, &known)
	}
	return err
}

// findNow finds the socket of what was seen at one moment. It lists sockets anew if that helps
// and is due. That there is none is certain once they were listed after that moment.
func (p *Probe) findNow(c *probes.Connection) (known joined, err error) {
	first := p.clock.Stamp(c.FirstSeen)
	if p.find(c, &known, first); known.why != probes.OwnerPending {
		return known, nil
	}
	if c.Protocol == "tcp" {
		known.tries = mostTries
		return known, nil
	}
	if p.listing.isDue(time.Duration(kernel.Monotonic())) {
		if err := p.list(); err != nil {
			return known, err
		}
		p.find(c, &known, first)
	}
	if uint64(p.listing.ended) >= first {
		known.tries = mostTries
	}
	return known, nil
}
