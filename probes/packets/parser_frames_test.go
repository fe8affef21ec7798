package packets

import (
	"encoding/binary"
	"iter"
	"math/rand/v2"
	"slices"

	"github.com/gopacket/gopacket/layers"
)

// parserGenerator makes frames that are mostly right, in all that the packet
// program tells apart. It writes bytes itself: gopacket would put right what
// has to be wrong at times.
type parserGenerator struct{ *rand.Rand }

func newParserGenerator(seed, stream uint64) parserGenerator {
	return parserGenerator{rand.New(rand.NewPCG(seed, stream))}
}

// all is frames without end. One in a hundred comes with all its variants,
// which are several times as many as the others.
func (g parserGenerator) all() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for {
			frame := g.frame()
			if !yield(frame) {
				return
			}
			if !g.oneIn(100) {
				continue
			}
			for variant := range g.variants(frame) {
				if !yield(variant) {
					return
				}
			}
		}
	}
}

// variants are the frame cut at every length and, as often, with bits flipped.
func (g parserGenerator) variants(frame []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for size := parserFrameMin; size < len(frame); size++ {
			flipped := slices.Clone(frame)
			for range 1 + g.IntN(3) {
				flipped[12+g.IntN(len(frame)-12)] ^= 1 << g.IntN(8)
			}
			if !yield(frame[:size]) || !yield(flipped) {
				return
			}
		}
	}
}

func (g parserGenerator) oneIn(n int) bool { return g.IntN(n) == 0 }

func (g parserGenerator) bytes(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(g.Uint32())
	}
	return b
}

func pick[T any](g parserGenerator, values ...T) T { return values[g.IntN(len(values))] }

func (g parserGenerator) frame() []byte {
	if g.oneIn(20) {
		return g.bytes(parserFrameMin + g.IntN(200))
	}
	frame := append(make([]byte, 0, 256), g.bytes(12)...)
	for range pick(g, 0, 0, 0, 0, 1, 1, 2, 3, 4) {
		frame = binary.BigEndian.AppendUint16(frame, pick[uint16](g, 0x8100, 0x88a8))
		frame = append(frame, g.bytes(2)...)
	}
	ethertype, content := g.content()
	frame = binary.BigEndian.AppendUint16(frame, ethertype)
	frame = append(frame, content...)
	if g.oneIn(4) { // padding
		frame = append(frame, g.bytes(g.IntN(47))...)
	}
	return frame[:min(len(frame), parserFrameMax)]
}

func (g parserGenerator) content() (ethertype uint16, content []byte) {
	switch g.IntN(20) {
	case 0:
		return 0x0806, g.bytes(28)
	case 1: // 802.3, more or less as long as it says
		content = g.bytes(g.IntN(60))
		return uint16(max(0, len(content)+g.IntN(7)-3)), content
	case 2: // any, and those at the borders of lengths
		return pick(g, uint16(g.Uint32()), 1500, 1535, 1536, 0xffff, 0x8864, 0x8847), g.bytes(g.IntN(60))
	}
	if g.oneIn(2) {
		return 0x0800, g.ipv4()
	}
	return 0x86dd, g.ipv6()
}

// protocol is that of a transport, known or not.
func (g parserGenerator) protocol() layers.IPProtocol {
	if g.oneIn(2) {
		return pick(g, layers.IPProtocolTCP, layers.IPProtocolUDP)
	}
	return pick(g, layers.IPProtocolSCTP, layers.IPProtocolICMPv4, layers.IPProtocolICMPv6,
		layers.IPProtocolNoNextHeader, layers.IPProtocolGRE, layers.IPProtocolESP, layers.IPProtocolAH,
		layers.IPProtocolIPv4, layers.IPProtocolIPv6, layers.IPProtocolUDPLite, layers.IPProtocol(33), // DCCP
		layers.IPProtocol(g.IntN(256)))
}

// length is n, or now and then a lie.
func (g parserGenerator) length(n int) uint16 {
	if !g.oneIn(12) {
		return uint16(n)
	}
	return pick(g, 0, uint16(g.Uint32()), uint16(n+g.IntN(17)-8))
}

func (g parserGenerator) ipv4() []byte {
	protocol := g.protocol()
	options := 4 * pick(g, 0, 0, 0, g.IntN(11))
	payload := g.transport(protocol)
	header := append(make([]byte, parserIPv4HeaderBytes), g.bytes(options)...)
	header[0] = 0x40 | byte(len(header)/4)
	if g.oneIn(20) {
		header[0] = byte(g.Uint32())
	}
	binary.BigEndian.PutUint16(header[2:], g.length(len(header)+len(payload)))
	binary.BigEndian.PutUint16(header[6:], pick(g, 0, 0, 0x4000, 0x2000, 0x2001, 1, 0x1fff, 0x8000, uint16(g.Uint32())))
	header[9] = byte(protocol)
	// Few addresses, so that frames meet in a connection.
	copy(header[12:], []byte{10, 0, 0, byte(g.IntN(3)), 10, 0, 0, byte(g.IntN(3))})
	return append(header, payload...)
}

func (g parserGenerator) ipv6() []byte {
	header := make([]byte, parserIPv6HeaderBytes)
	header[0] = 0x60
	if g.oneIn(20) {
		header[0] = byte(g.Uint32())
	}
	protocol := g.protocol()
	payload := g.transport(protocol)
	for range pick(g, 0, 0, 1, 2, g.IntN(13), 7+g.IntN(3)) {
		extension := pick(g, layers.IPProtocolIPv6HopByHop, layers.IPProtocolIPv6Routing, layers.IPProtocolIPv6Fragment,
			layers.IPProtocolIPv6Destination, layers.IPProtocolAH, parserMobility)
		payload = append(g.extension(extension, protocol), payload...)
		protocol = extension
	}
	binary.BigEndian.PutUint16(header[4:], g.length(len(payload)))
	header[6] = byte(protocol)
	header[8], header[23] = 0xfd, byte(g.IntN(3))
	header[24], header[39] = 0xfd, byte(g.IntN(3))
	return append(header, payload...)
}

func (g parserGenerator) extension(protocol, next layers.IPProtocol) []byte {
	units := pick(g, 0, 0, 1, 2, 3)
	size := 8 + 8*units
	switch protocol {
	case layers.IPProtocolIPv6Fragment:
		header := []byte{byte(next), byte(g.Uint32()), 0, 0, 0, 0, 0, 1}
		if g.oneIn(3) {
			binary.BigEndian.PutUint16(header[2:], pick(g, 1, 6, 8, 9, 0xfff8, uint16(g.Uint32())))
		}
		return header
	case layers.IPProtocolAH:
		units += g.IntN(2)
		size = 8 + 4*units
	}
	header := g.bytes(size)
	header[0], header[1] = byte(next), byte(units)
	if g.oneIn(40) {
		header[1] = byte(g.Uint32())
	}
	return header
}

// transport is a header and its payload; now and then not all of it is there.
func (g parserGenerator) transport(protocol layers.IPProtocol) []byte {
	payload := g.bytes(pick(g, 0, g.IntN(8), g.IntN(40)))
	if g.oneIn(200) {
		payload = g.bytes(1400)
	}
	header := g.bytes(pick(g, 4, 8, 12, 20))
	switch protocol {
	case layers.IPProtocolTCP:
		header = g.bytes(20 + 4*pick(g, 0, 0, g.IntN(11)))
		header[12] = byte(len(header) / 4 << 4)
		if g.oneIn(20) {
			header[12] = byte(g.Uint32())
		}
	case layers.IPProtocolUDP:
		header = g.bytes(8)
		binary.BigEndian.PutUint16(header[4:], g.length(8+len(payload)))
	}
	copy(header, []byte{0, byte(g.IntN(3)), 0, byte(g.IntN(3))}) // few ports
	segment := append(header, payload...)
	if g.oneIn(10) {
		segment = segment[:g.IntN(len(segment)+1)]
	}
	return segment
}
