package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

const (
	// mostChanges is how many changes of a pair are logged in changesTime. More are
	// counted, because an interface that comes and goes all the time must not fill
	// the log.
	mostChanges = 10
	changesTime = time.Minute
)

// pairLog logs each change of a pair, once.
type pairLog struct {
	log   *slog.Logger
	pairs map[pairName]*saidPair
}

func newPairLog(log *slog.Logger) *pairLog {
	return &pairLog{log: log, pairs: make(map[pairName]*saidPair)}
}

// pairState holds what the log says of a pair. If it is another one, the pair changed.
type pairState struct {
	health     health
	reason     string
	by         string // who wants it
	aToB, bToA crossconnect.Datapath
}

// saidPair holds what was said last of a pair.
type saidPair struct {
	pairState
	isThere bool
	since   time.Time // when counting began
	said    int       // changes since then
	unsaid  int       // changes since then that were not
}

// look logs what is not as it was at the last look.
func (p *pairLog) look(now time.Time, pairs map[pairName]pairState) {
	for name := range p.pairs {
		if _, isThere := pairs[name]; !isThere {
			p.update(now, name, pairState{}, false)
		}
	}
	for _, name := range sortedNames(pairs) {
		p.update(now, name, pairs[name], true)
	}
}

func (p *pairLog) update(now time.Time, name pairName, state pairState, isThere bool) {
	one := p.pairs[name]
	if one == nil {
		one = &saidPair{}
		p.pairs[name] = one
	}
	if now.Sub(one.since) >= changesTime {
		if one.unsaid > 0 {
			p.log.Warn("pair changed more often than that", "a", name.a, "b", name.b, "times", one.unsaid, "now", one.word())
		}
		one.since, one.said, one.unsaid = now, 0, 0
	}
	if state.health != healthUp {
		state.aToB, state.bToA = "", "" // one direction may stop before the other, and neither is said
	}
	if state.health == healthWaiting && state.reason == "" && one.health == healthWaiting {
		state = one.pairState // what it waited for is here, and it is about to be connected
	}
	if one.isThere != isThere || one.pairState != state {
		one.isThere, one.pairState = isThere, state
		if one.said < mostChanges {
			one.said++
			p.say(name, one)
		} else {
			one.unsaid++
		}
	}
	if !isThere && one.said == 0 {
		delete(p.pairs, name)
	}
}

// word names the state of a pair in the log.
func (s *saidPair) word() string {
	if !s.isThere {
		return "removed"
	}
	return string(s.health)
}

func (p *pairLog) say(name pairName, s *saidPair) {
	level, attrs := slog.LevelInfo, []any{"a", name.a, "b", name.b}
	if s.isThere {
		attrs = append(attrs, "by", s.by)
	}
	switch {
	case s.isThere && s.health == healthUp:
		attrs = append(attrs, "a_to_b", s.aToB, "b_to_a", s.bToA)
	case s.isThere:
		level, attrs = slog.LevelWarn, append(attrs, "reason", s.reason)
	}
	if s.said == mostChanges {
		attrs = append(attrs, "note", "it changes often: what follows within a minute is counted only")
	}
	p.log.Log(context.Background(), level, "pair "+s.word(), attrs...)
}

func sortedNames(pairs map[pairName]pairState) []pairName {
	names := make([]pairName, 0, len(pairs))
	for name := range pairs {
		names = append(names, name)
	}
	slices.SortFunc(names, pairName.compare)
	return names
}

// trialLog says of trials that they begin, and how they end.
type trialLog struct {
	log     *slog.Logger
	onTrial []crossconnect.Pair
	isOn    bool
}

// look logs what is not as it was at the last look. Left is 0 without a trial.
func (t *trialLog) look(left time.Duration, pairs []crossconnect.Pair, by string) {
	switch {
	case left > 0 && !t.isOn:
		t.log.Info("trial begun", "by", by, "left", left.Round(time.Second))
	case left == 0 && t.isOn && slices.Equal(pairs, t.onTrial):
		t.log.Info("trial confirmed", "by", by)
	case left == 0 && t.isOn:
		t.log.Info("trial ended: the pairs before it are back", "by", by)
	}
	t.isOn, t.onTrial = left > 0, pairs
}
