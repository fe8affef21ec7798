package owners

import (
	"fmt"
	"hash/maphash"
	"time"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
)

// measure asks how well all open TCP connections do, if it is time to: with thousands of them,
// not at each poll. What is closed has told so then.
func (p *Probe) measure() error {
	if p.hooks.streams == nil || len(p.sockets.streams) == 0 || !p.measuring.isDue(time.Duration(kernel.Monotonic())) {
		return nil
	}
	return p.measuring.run(func() (err error) {
		// Where there are too many, what others had stays.
		if p.reports, err = kernel.ReadIterator(p.hooks.streams, p.reports); err != nil {
			return fmt.Errorf("look at TCP connections: %w", err)
		}
		qualities := make([]probes.Quality, len(p.reports))
		for i := range p.reports {
			r := &p.reports[i]
			if s := p.sockets.stream(&r.Tuple); s != nil {
				qualities[i] = *newQuality(&r.Quality)
				s.quality = &qualities[i]
			}
		}
		return nil
	})
}

func newQuality(q *bpf.OwnersStreamQuality) *probes.Quality {
	return &probes.Quality{RTT: q.Rtt, Retransmits: q.Retransmits, Cwnd: q.Cwnd, Unacked: q.Unacked}
}

// stream returns the open TCP socket with a tuple, nil if it is not known.
func (t *socketTable) stream(key *bpf.OwnersSocketTuple) *socket {
	at := tuple{key.Local, key.Remote, key.LocalPort, key.RemotePort, key.Protocol}
	for s := t.streams[maphash.Comparable(t.seed, at)]; s != nil; s = s.next {
		if s.tuple == at && s.netns == key.NetworkNamespace && s.ended == 0 {
			return s
		}
	}
	return nil
}
