package snapshot

import (
	"slices"
	"strconv"

	"github.com/ebpftop/ebpftop/probes"
)

// trailsMost is how many subjects have a history of their own; the one that was not looked at
// for longest makes room.
const trailsMost = 16

// trails keep the history of what has been looked at: there are too many connections, and too
// many sums of them, to keep it of all.
type trails struct {
	kept []trail // the one looked at last is the last one
	made int
}

type trail struct {
	subject Subject
	number  int   // in the names of its series
	first   int64 // step that it begins with
}

func (t *trail) key(direction probes.Direction) seriesKey {
	return seriesKey{"", " trail " + strconv.Itoa(t.number) + " " + string(direction)}
}

// want begins a history, unless there is one or the subject is of a kind that has none here.
func (t *trails) want(subject Subject, h *history) {
	if subject.Kind != OfConnection && subject.Kind != OfGroup {
		return
	}
	at := slices.IndexFunc(t.kept, func(old trail) bool { return old.subject == subject })
	if at >= 0 {
		old := t.kept[at]
		t.kept = append(slices.Delete(t.kept, at, at+1), old)
		return
	}
	t.made++
	t.kept = append(t.kept, trail{subject, t.made, h.step + 1})
	t.kept = t.kept[max(0, len(t.kept)-trailsMost):]
}

// record adds what a sample has of each.
func (t *trails) record(s *probes.Sample, h *history) {
	if len(t.kept) == 0 {
		return
	}
	var maybe [1 << 16]bool
	isOf := make(map[ConnectionKey]int, len(t.kept))
	groups := make(map[int]func(*probes.Connection) bool)
	for i := range t.kept {
		if kept := &t.kept[i]; kept.subject.Kind == OfGroup {
			groups[i] = kept.subject.By.holds(kept.subject.Group)
		} else {
			isOf[kept.subject.Connection] = i
			maybe[kept.subject.Connection.hint()] = true
		}
	}
	rx, tx := make([]float64, len(t.kept)), make([]float64, len(t.kept))
	for n := range s.Connections {
		c := &s.Connections[n]
		if maybe[hint(c)] {
			if i, ok := isOf[KeyOf(c)]; ok {
				rx[i], tx[i] = rx[i]+c.RXBPS, tx[i]+c.TXBPS
			}
		}
		if c.RXBPS+c.TXBPS == 0 {
			continue
		}
		for i, holds := range groups {
			if holds(c) {
				rx[i], tx[i] = rx[i]+c.RXBPS, tx[i]+c.TXBPS
			}
		}
	}
	for n := range s.Passages {
		c := &s.Passages[n]
		if i, ok := isOf[KeyOf(c)]; ok {
			rx[i], tx[i] = rx[i]+c.RXBPS, tx[i]+c.TXBPS
		}
	}
	for i := range t.kept {
		h.add(t.kept[i].key(probes.RX), rx[i], s.Interval)
		h.add(t.kept[i].key(probes.TX), tx[i], s.Interval)
	}
}

// values are the history of a subject in both directions up to a step, from where it was first
// looked at.
func (t *trails) values(subject Subject, h *history, last int64) (rx, tx []float64) {
	at := slices.IndexFunc(t.kept, func(old trail) bool { return old.subject == subject })
	if at < 0 {
		return nil, nil
	}
	steps := last - t.kept[at].first + 1
	since := func(direction probes.Direction) []float64 {
		values := h.values(t.kept[at].key(direction), last)
		return known(values[max(0, len(values)-int(max(0, steps))):])
	}
	return since(probes.RX), since(probes.TX)
}

// hint is that of the connection: as hint() has it.
func (k *ConnectionKey) hint() uint16 {
	return hint(&probes.Connection{Local: k.local, Remote: k.remote})
}
