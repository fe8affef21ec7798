package ui

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"

	tea "charm.land/bubbletea/v2"

	"github.com/ebpftop/ebpftop/probes"
)

// intervals are the steps of + and -.
var intervals = []time.Duration{
	100 * time.Millisecond, 200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second,
}

func slower(d time.Duration) time.Duration {
	for _, step := range intervals {
		if step > d {
			return step
		}
	}
	return d
}

func faster(d time.Duration) time.Duration {
	for _, step := range slices.Backward(intervals) {
		if step < d {
			return step
		}
	}
	return d
}

func (m *model) setInterval(d time.Duration) tea.Cmd {
	if d == m.header.every {
		return nil
	}
	m.header.every = d
	m.speed.wanted.Store(int64(d))
	return m.speed.apply
}

// speed sets the source's interval outside of Update. Commands run side by
// side and in any order: each sets what is wanted by then, one at a time, so
// that the last one leaves what was wanted last.
type speed struct {
	source probes.Source
	wanted atomic.Int64
	mu     sync.Mutex
}

func (s *speed) apply() tea.Msg {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.source != nil {
		s.source.SetInterval(time.Duration(s.wanted.Load()))
	}
	return nil
}

// stop leaves the source alone, whatever commands are still on their way.
func (s *speed) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.source = nil
}
