// Package past keeps the samples of the last minutes in little memory, so that the screen can go
// back to them: not all there were, but moments some seconds apart.
package past

import (
	"bytes"
	"iter"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

const (
	// Reach is how far back moments are kept, where there is room.
	Reach = 10 * time.Minute
	// Room bounds the memory that they take, in bytes. What else it takes to keep and to recall
	// them is half as much again.
	Room = 20 << 20
	// chainLength is how many moments are kept by what differs from the one before. The first
	// of them is kept as a whole, and is all that remains of them where there is little room.
	chainLength = 15
	// endedRoom bounds, in bytes, what is kept of connections that ended during a chain.
	endedRoom = 2 << 20
)

// Moment is the place of a sample in time.
type Moment struct {
	Number uint64        // how many samples there were up to this one
	At     time.Duration // since the first one, by their intervals
}

// Kept is a sample as it is kept, or was.
type Kept struct {
	Moment
	Sample   *probes.Sample // without its events: programs, and connections that ended
	Programs uint64         // executed up to then
	LeftOut  int            // connections of the sample that there was no room for
}

// Past is what is kept. The zero value is not ready.
type Past struct {
	room   int
	chains []*chain // the oldest first; more is added to the last one
	last   *probes.Sample
	list   []Moment // of all; nil: to be made anew
}

// chain is some moments, one after the other.
type chain struct {
	*words
	links []link
	ended []ended
	bytes int   // of all streams
	arena arena // that streams are in, once the chain is complete
}

// link is a moment, by what differs from the one before; the first one from nothing.
type link struct {
	Kept   // without the sample
	stream []byte
}

// ended are the connections that ended by a sample.
type ended struct {
	number  uint64
	stream  []byte // nil: there was no room for them
	leftOut bool
}

// New makes one that takes so many bytes at most.
func New(room int) *Past { return &Past{room: room} }

// Add keeps a sample. The sample must not change.
func (p *Past) Add(k Kept) {
	p.list = nil
	at := p.current()
	if at == nil || len(at.links) == chainLength {
		if at != nil {
			at.numberOf, at.ownerAt = nil, nil
			at.settle()
		}
		at = &chain{words: newWords()}
		p.chains, p.last = append(p.chains, at), &probes.Sample{}
	}
	sample := k.Sample
	k.Sample = nil
	stream := at.write(func(c *codec) { c.sample(sample, p.last) })
	at.links = append(at.links, link{k, stream})
	p.last = sample
	p.forget(k.At)
}

// settle moves all streams together.
func (ch *chain) settle() {
	var streams []*[]byte
	for i := range ch.links {
		streams = append(streams, &ch.links[i].stream)
	}
	for i := range ch.ended {
		if ch.ended[i].stream != nil {
			streams = append(streams, &ch.ended[i].stream)
		}
	}
	if all := hold(streams); all != nil {
		ch.arena.free()
		ch.arena = all
	}
}

func (p *Past) current() *chain {
	if len(p.chains) == 0 {
		return nil
	}
	return p.chains[len(p.chains)-1]
}

// write returns a new stream of the chain.
func (ch *chain) write(code func(*codec)) []byte {
	c := codec{words: ch.words}
	code(&c)
	c.flush()
	ch.bytes += len(c.stream)
	return bytes.Clone(c.stream) // no larger than it is
}

// End notes the connections that ended by a sample after the last moment.
func (p *Past) End(number uint64, rows []probes.Connection) {
	at := p.current()
	if at == nil || len(rows) == 0 {
		return
	}
	if used := at.endedBytes(); used >= endedRoom {
		at.ended = append(at.ended, ended{number: number, leftOut: true})
		return
	}
	stream := at.write(func(c *codec) { c.connections(&rows) })
	at.ended = append(at.ended, ended{number: number, stream: stream})
}

func (ch *chain) endedBytes() (n int) {
	for i := range ch.ended {
		n += len(ch.ended[i].stream)
	}
	return n
}

// connections codes rows by the row before each.
func (c *codec) connections(now *[]probes.Connection) {
	rows(c, now, nil, connectionKeyOf, c.connection)
}

// size is about what a chain takes.
func (ch *chain) size() int {
	const linkSize, endedSize = 96, 40
	return ch.bytes + ch.words.size + linkSize*len(ch.links) + endedSize*len(ch.ended)
}

// forget makes room: what is out of reach goes, then all but the first moment of chains, the
// oldest ones first, and then these.
func (p *Past) forget(now time.Duration) {
	for len(p.chains) > 1 && p.chains[0].links[len(p.chains[0].links)-1].At < now-Reach {
		p.dropOldest()
	}
	size := 0
	for _, ch := range p.chains {
		size += ch.size()
	}
	for _, ch := range p.chains[:len(p.chains)-1] {
		if size <= p.room {
			return
		}
		if len(ch.links) == 1 {
			continue
		}
		before := ch.size()
		ch.thin()
		size -= before - ch.size()
	}
	for len(p.chains) > 1 && size > p.room {
		size -= p.chains[0].size()
		p.dropOldest()
	}
}

func (p *Past) dropOldest() {
	p.chains[0].arena.free()
	p.chains = slices.Delete(p.chains, 0, 1)
}

// thin leaves the first moment.
func (ch *chain) thin() {
	for i := range ch.links[1:] {
		ch.bytes -= len(ch.links[1+i].stream)
	}
	ch.links = slices.Clone(ch.links[:1])
	ch.settle()
}

// Moments are those kept, the oldest first. The list never changes.
func (p *Past) Moments() []Moment {
	if p.list == nil {
		for _, ch := range p.chains {
			for i := range ch.links {
				p.list = append(p.list, ch.links[i].Moment)
			}
		}
	}
	return p.list
}

// Recall returns the sample with a number, or else the one kept nearest to it; false if none is.
func (p *Past) Recall(number uint64) (k Kept, ok bool) {
	var found *chain
	at := 0
	for _, ch := range p.chains {
		for i := range ch.links {
			if found == nil || Distance(ch.links[i].Number, number) < Distance(found.links[at].Number, number) {
				found, at = ch, i
			}
		}
	}
	if found == nil {
		return k, false
	}
	now, was := &probes.Sample{}, &probes.Sample{}
	for i := range found.links[:at+1] {
		now, was = was, now // what was read before the last one is not needed any more
		c := codec{words: found.words, isReading: true, stream: found.links[i].stream}
		if i == 0 {
			was = &probes.Sample{}
		}
		c.sample(now, was)
	}
	k = found.links[at].Kept
	k.Sample = now
	return k, true
}

// Distance is how many samples apart two numbers are.
func Distance(a, b uint64) uint64 { return max(a, b) - min(a, b) }

// EndedAfter goes through the connections that ended after a sample: all of them, unless it is
// older than what is kept, or some were left out.
func (p *Past) EndedAfter(number uint64) iter.Seq[[]probes.Connection] {
	return func(yield func([]probes.Connection) bool) {
		var rows []probes.Connection
		for _, ch := range p.chains {
			for _, e := range ch.ended {
				if e.number <= number || e.stream == nil {
					continue
				}
				c := codec{words: ch.words, isReading: true, stream: e.stream}
				if c.connections(&rows); !yield(rows) {
					return
				}
			}
		}
	}
}

// MissesEnded tells whether connections that ended after a sample were left out.
func (p *Past) MissesEnded(number uint64) bool {
	return slices.ContainsFunc(p.chains, func(ch *chain) bool {
		return slices.ContainsFunc(ch.ended, func(e ended) bool { return e.number > number && e.leftOut })
	})
}
