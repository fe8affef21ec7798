package exporter

import (
	"cmp"
	"maps"
	"slices"
	"time"
)

// amounts are what is counted of a key: packets and bytes, received and sent. Where there is
// less to count, the rest stays 0.
type amounts struct {
	rxPackets, rxBytes uint64
	txPackets, txBytes uint64
	retransmits        uint64 // segments of TCP that were sent again
}

func (a *amounts) add(b amounts) {
	a.rxPackets += b.rxPackets
	a.rxBytes += b.rxBytes
	a.txPackets += b.txPackets
	a.txBytes += b.txBytes
	a.retransmits += b.retransmits
}

// since returns how much more there is than before, and nothing in place of less: counters
// never go back.
func (a amounts) since(before amounts) amounts {
	return amounts{
		a.rxPackets - min(a.rxPackets, before.rxPackets), a.rxBytes - min(a.rxBytes, before.rxBytes),
		a.txPackets - min(a.txPackets, before.txPackets), a.txBytes - min(a.txBytes, before.txBytes),
		a.retransmits - min(a.retransmits, before.retransmits),
	}
}

// weight is what keys are put in order by: bytes, and packets where nothing else is counted.
func (a amounts) weight() uint64 { return a.rxPackets + a.rxBytes + a.txPackets + a.txBytes }

const (
	// choosing is how often keys are chosen anew.
	choosing = time.Minute
	// longIdle is after how long without traffic a key leaves, whether another one needs its
	// place or not.
	longIdle = time.Hour
	// mostWaiting bounds the keys that wait for a counter.
	mostWaiting = 8192
)

// separator stands between the parts of a key, none of which has it.
const separator = "\x00"

// bounded are counters by key, at most so many, and one for all other keys. Everything is
// counted once, and where it is counted it stays: a key that gets a counter of its own starts
// it with 0, and what it had before stays among the others; one that loses its counter leaves
// it as it is, until whoever asks once a minute has seen it, and the others have what comes
// after that. So no counter ever goes back, and the increases of all add up.
type bounded struct {
	most    int
	rows    map[string]*boundedRow
	leaving map[string]*boundedRow // since the last choice: as many again at most
	others  amounts
	// waiting are keys without a counter, with what they had since the last choice.
	waiting map[string]uint64
	chosen  time.Time
}

type boundedRow struct {
	amounts
	recent uint64 // since the last choice
	score  uint64 // what came before that, half of it with each choice
	active time.Time
}

func newBounded(most int) *bounded {
	return &bounded{most: most, rows: make(map[string]*boundedRow), waiting: make(map[string]uint64)}
}

// count counts.
func (b *bounded) count(key string, a amounts, now time.Time) {
	if a == (amounts{}) {
		return
	}
	row := b.rows[key]
	if row == nil && len(b.rows) < b.most {
		row = b.admit(key, b.leaving)
	}
	if row == nil {
		b.others.add(a)
		if _, isWaiting := b.waiting[key]; isWaiting || len(b.waiting) < mostWaiting {
			b.waiting[key] += a.weight()
		}
		return
	}
	row.add(a)
	row.recent += a.weight()
	row.active = now
}

// admit gives a key a counter, or its own back, which it has not left for long.
func (b *bounded) admit(key string, left map[string]*boundedRow) *boundedRow {
	row := left[key]
	if row == nil {
		row = new(boundedRow)
	}
	delete(left, key)
	b.rows[key] = row
	return row
}

// choose gives counters to keys that have more than twice of what those have that it takes
// them from. It does so once in a while, and to a tenth of the keys at most, because whoever
// starts programs under ever new names would have a database keep each of them.
func (b *bounded) choose(now time.Time) {
	if now.Sub(b.chosen) < choosing {
		return
	}
	b.chosen = now
	left := b.leaving
	b.leaving = make(map[string]*boundedRow)
	for key, row := range b.rows {
		row.score, row.recent = row.score/2+row.recent, 0
		if now.Sub(row.active) >= longIdle {
			b.leave(key)
		}
	}
	newcomers := slices.SortedFunc(maps.Keys(b.waiting), func(x, y string) int {
		return cmp.Or(cmp.Compare(b.waiting[y], b.waiting[x]), cmp.Compare(x, y))
	})
	least := slices.SortedFunc(maps.Keys(b.rows), func(x, y string) int {
		return cmp.Or(cmp.Compare(b.rows[x].score, b.rows[y].score), cmp.Compare(x, y))
	})
	taken := 0
	for _, key := range newcomers[:min(len(newcomers), b.most)] {
		if len(b.rows) >= b.most {
			if taken++; taken > max(b.most/10, 1) || len(least) == 0 || b.waiting[key]/2 <= b.rows[least[0]].score {
				break
			}
			b.leave(least[0])
			least = least[1:]
		}
		row := b.admit(key, left)
		row.score, row.active = b.waiting[key], now
	}
	clear(b.waiting)
}

// leave takes the counter of a key.
func (b *bounded) leave(key string) {
	b.leaving[key] = b.rows[key]
	delete(b.rows, key)
}

// keys are those that have a counter, or had one lately, in order.
func (b *bounded) keys() []string {
	keys := slices.AppendSeq(slices.Collect(maps.Keys(b.rows)), maps.Keys(b.leaving))
	slices.Sort(keys)
	return keys
}

// of returns what was counted of a key that keys has.
func (b *bounded) of(key string) *amounts {
	if row := b.rows[key]; row != nil {
		return &row.amounts
	}
	return &b.leaving[key].amounts
}
