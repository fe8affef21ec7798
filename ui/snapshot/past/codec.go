package past

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// codec writes what differs between two samples as a stream of numbers, or reads it again. The
// same functions do both, so that they cannot disagree: each is handed where a value is now and
// what it was, and sets it while reading alone, because others read a sample meanwhile.
//
// Most numbers are 0, as of what has not changed, and a run of zeros is written as 0 and its
// length: rows that did not change cost nothing, however many they are.
type codec struct {
	*words
	isReading bool
	stream    []byte // written so far, or yet to be read
	zeros     uint64 // not yet written, or to be read before the stream
}

// words are the texts and owners that streams name by number.
type words struct {
	texts  []string
	owners []*probes.Owner
	size   int // bytes that they take

	// Nil once nothing is written any more.
	numberOf map[string]uint64
	ownerAt  map[*probes.Owner]uint64
}

func newWords() *words {
	return &words{numberOf: make(map[string]uint64), ownerAt: make(map[*probes.Owner]uint64)}
}

// code writes a number, or reads one.
func (c *codec) code(v uint64) uint64 {
	switch {
	case c.isReading:
		return c.read()
	case v == 0:
		c.zeros++
	default:
		c.flush()
		c.stream = binary.AppendUvarint(c.stream, v)
	}
	return v
}

// flush ends a run of zeros.
func (c *codec) flush() {
	if c.zeros > 0 {
		c.stream = binary.AppendUvarint(append(c.stream, 0), c.zeros)
		c.zeros = 0
	}
}

func (c *codec) read() uint64 {
	if c.zeros > 0 {
		c.zeros--
		return 0
	}
	v := c.next()
	if v == 0 {
		c.zeros = c.next() - 1
	}
	return v
}

func (c *codec) next() uint64 {
	v, n := binary.Uvarint(c.stream)
	c.stream = c.stream[n:]
	return v
}

// zigzag makes small numbers of small differences, whichever sign they have.
func zigzag(d uint64) uint64 { return d<<1 ^ uint64(int64(d)>>63) }

func unzigzag(v uint64) uint64 { return v>>1 ^ -(v & 1) }

// difference codes a number by what it was.
func (c *codec) difference(now, was uint64) uint64 { return was + unzigzag(c.code(zigzag(now-was))) }

// number codes a counter, an index and the like.
func number[T ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~int | ~int64](c *codec, now *T, was T) {
	if v := c.difference(uint64(*now), uint64(was)); c.isReading {
		*now = T(v)
	}
}

func (c *codec) flag(now *bool, was bool) {
	if v := c.code(bit(*now != was)); c.isReading {
		*now = was != (v == 1)
	}
}

func bit(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// rate codes a number of which seven digits are kept.
func (c *codec) rate(now *float64, was float64) {
	before := math.Float32bits(float32(was))
	if v := c.code(uint64(math.Float32bits(float32(*now)) ^ before)); c.isReading {
		*now = float64(math.Float32frombits(uint32(v) ^ before))
	}
}

// moment codes a time, which loses its zone and its monotonic reading.
func (c *codec) moment(now *time.Time, was time.Time) {
	v := c.difference(nanoseconds(*now), nanoseconds(was))
	switch {
	case !c.isReading:
	case v == 0:
		*now = time.Time{}
	default:
		*now = time.Unix(0, int64(v))
	}
}

// nanoseconds is 0 for the zero time.
func nanoseconds(t time.Time) uint64 {
	if t.IsZero() {
		return 0
	}
	return uint64(t.UnixNano())
}

// text codes a text by its number; 0 is what it was.
func text[T ~string](c *codec, now *T, was T) {
	v := uint64(0)
	if !c.isReading && *now != was {
		v = c.numberOfText(string(*now)) + 1
	}
	if v = c.code(v); !c.isReading {
		return
	}
	if *now = was; v > 0 {
		*now = T(c.texts[v-1])
	}
}

func (w *words) numberOfText(s string) uint64 {
	n, isKnown := w.numberOf[s]
	if !isKnown {
		n = uint64(len(w.texts))
		w.numberOf[s] = n
		w.texts = append(w.texts, s)
		w.size += 16 + len(s)
	}
	return n
}

// list codes texts as one, so that names which come together are kept once.
func (c *codec) list(now *[]string, was []string) {
	v := uint64(0)
	if !c.isReading && !(slices.Equal(*now, was) && (*now == nil) == (was == nil)) {
		v = c.numberOfText(joined(*now)) + 1
	}
	if v = c.code(v); !c.isReading {
		return
	}
	if *now = was; v > 0 {
		*now = split(c.texts[v-1])
	}
}

// Names hold no newline, nor no text at all.
const between = "\n"

// joined is empty for nil alone.
func joined(texts []string) string {
	if texts == nil {
		return ""
	}
	return between + strings.Join(texts, between)
}

func split(text string) []string {
	switch text {
	case "":
		return nil
	case between:
		return []string{}
	}
	return strings.Split(text[len(between):], between)
}

// owner codes who is shared with samples, and with the moments before.
func (c *codec) owner(now **probes.Owner, was *probes.Owner) {
	v := uint64(0)
	if !c.isReading && *now != was && (*now == nil || was == nil || **now != *was) {
		v = c.numberOfOwner(*now) + 1
	}
	if v = c.code(v); !c.isReading {
		return
	}
	if *now = was; v > 0 {
		*now = c.owners[v-1]
	}
}

func (w *words) numberOfOwner(o *probes.Owner) uint64 {
	n, isKnown := w.ownerAt[o]
	if !isKnown {
		n = uint64(len(w.owners))
		w.ownerAt[o] = n
		w.owners = append(w.owners, o)
		w.size += ownerSize
	}
	return n
}

// ownerSize is about what an owner takes that no sample holds any more.
const ownerSize = 400

// address codes an address; all that the kernel counts by have no zone.
func (c *codec) address(now *netip.Addr, was netip.Addr) {
	kind := c.difference(addressKind(*now), addressKind(was))
	a, b := now.As16(), was.As16()
	high := c.difference(binary.BigEndian.Uint64(a[:8]), binary.BigEndian.Uint64(b[:8]))
	low := c.difference(binary.BigEndian.Uint64(a[8:]), binary.BigEndian.Uint64(b[8:]))
	if !c.isReading {
		return
	}
	binary.BigEndian.PutUint64(a[:8], high)
	binary.BigEndian.PutUint64(a[8:], low)
	switch *now = netip.AddrFrom16(a); kind {
	case 0:
		*now = netip.Addr{}
	case 1:
		*now = now.Unmap()
	}
}

// addressKind is 0 for none, 1 for IPv4, 2 for IPv6.
func addressKind(a netip.Addr) uint64 {
	switch {
	case !a.IsValid():
		return 0
	case a.Is4():
		return 1
	}
	return 2
}

func (c *codec) endpoint(now *probes.Endpoint, was probes.Endpoint) {
	n, w := netip.AddrPort(*now), netip.AddrPort(was)
	address, port := n.Addr(), n.Port()
	c.address(&address, w.Addr())
	number(c, &port, w.Port())
	if c.isReading {
		*now = probes.Endpoint(netip.AddrPortFrom(address, port))
	}
}

func (c *codec) prefix(now *netip.Prefix, was *netip.Prefix) {
	address, bits := now.Addr(), now.Bits()
	c.address(&address, was.Addr())
	number(c, &bits, was.Bits())
	if c.isReading {
		*now = netip.PrefixFrom(address, bits)
	}
}

// optional codes what a pointer leads to, by what one led to before. What is read is never
// shared with that.
func optional[T any](c *codec, now **T, was *T, code func(now, was *T)) {
	isThere := c.code(bit(*now == nil)) == 0
	if c.isReading {
		if *now = nil; isThere {
			*now = new(T)
		}
	}
	if isThere {
		if was == nil {
			was = new(T)
		}
		code(*now, was)
	}
}

// rows codes rows by what those of the same key were, and new ones by the row before. While
// reading, it uses the memory that *now has.
func rows[T any, K comparable](c *codec, now *[]T, was []T, key func(*T) K, code func(now, was *T)) {
	count := int(c.difference(lengthOf(*now), lengthOf(was))) - 1
	switch {
	case !c.isReading:
	case count < 0:
		*now = nil
	default:
		*now = slices.Grow((*now)[:0], count)[:count]
		if *now == nil {
			*now = []T{}
		}
	}
	find := finder[T, K]{was: was, key: key}
	before, next := new(T), 0
	for i := range *now {
		row := &(*now)[i]
		base, at := before, next
		v := uint64(0)
		if !c.isReading {
			if at = find.find(row, next); at < 0 {
				v = 1
			} else if at != next {
				v = zigzag(uint64(at-next)) + 1
			}
		}
		if v = c.code(v); v > 1 {
			at = next + int(unzigzag(v-1))
		}
		if v != 1 {
			base, next = &was[at], at+1
		}
		code(row, base)
		before = row
	}
}

// lengthOf is 0 for nil alone.
func lengthOf[T any](rows []T) uint64 {
	if rows == nil {
		return 0
	}
	return uint64(len(rows)) + 1
}

// finder finds rows among those of before.
type finder[T any, K comparable] struct {
	was  []T
	key  func(*T) K
	rows map[K]int
}

// find returns the place of a row of the same key, or -1. As a rule that is next, or a few rows
// on, where some are gone; all are looked through only if it is not.
func (f *finder[T, K]) find(row *T, next int) int {
	key := f.key(row)
	for at := next; at < min(next+4, len(f.was)); at++ {
		if f.key(&f.was[at]) == key {
			return at
		}
	}
	if next >= len(f.was) && f.rows == nil { // new rows come last, as a rule
		return -1
	}
	if f.rows == nil {
		f.rows = make(map[K]int, len(f.was))
		for i := range f.was {
			f.rows[f.key(&f.was[i])] = i
		}
	}
	if at, ok := f.rows[key]; ok {
		return at
	}
	return -1
}
