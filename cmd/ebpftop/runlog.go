package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// runLog logs the changes of the pairs of `xconnect run`, and of the kept ones, which run
// does not change.
type runLog struct {
	log     *slog.Logger
	sets    []*loggedSet
	changes *pairLog
}

// loggedSet is a set of pairs whose changes are logged.
type loggedSet struct {
	*crossconnect.PairSet
	by      string // who wants its pairs
	trial   trialLog
	trouble string // with looking at it, as it was said
}

func newRunLog(log *slog.Logger, file string, pairs, kept *crossconnect.PairSet) *runLog {
	set := func(s *crossconnect.PairSet, by string) *loggedSet {
		return &loggedSet{PairSet: s, by: by, trial: trialLog{log: log}}
	}
	return &runLog{log: log, sets: []*loggedSet{set(pairs, file), set(kept, "kept")}, changes: newPairLog(log)}
}

// look says what changed. It returns in a line how the pairs are.
func (r *runLog) look(now time.Time) (summary string) {
	states := make(map[pairName]pairState)
	for _, set := range r.sets {
		trouble := ""
		if err := set.look(states); err != nil && !errors.Is(err, os.ErrPermission) { // of kept pairs, not for us to look at
			trouble = oneLine(err)
		}
		if trouble != set.trouble && trouble != "" {
			r.log.Warn("cannot look at the pairs", "by", set.by, "reason", trouble)
		}
		set.trouble = trouble
	}
	r.changes.look(now, states)
	return summaryOf(states)
}

// look adds how the pairs are.
func (s *loggedSet) look(states map[pairName]pairState) error {
	list, err := s.Status()
	if err != nil {
		return err
	}
	left, err := s.Trial()
	if err != nil {
		return err
	}
	pairs, err := s.Pairs()
	if err != nil {
		return err
	}
	s.trial.look(left, pairs, s.by)
	var flags interfaceFlags
	for i := range list {
		one := &list[i]
		if one.Reason != "" && flags == nil { // there may be many interfaces
			if flags, err = listFlags(); err != nil {
				return err
			}
		}
		state := pairState{by: s.by, aToB: one.AToB.Datapath, bToA: one.BToA.Datapath}
		state.health, state.reason = healthOf(one, flags)
		states[pairName{one.A, one.B}] = state
	}
	return nil
}

// summaryOf returns the number of pairs of each health, in a line.
func summaryOf(states map[pairName]pairState) string {
	count := make(map[health]int)
	for _, state := range states {
		count[state.health]++
	}
	parts := []string{fmt.Sprintf("%d up", count[healthUp])}
	for _, h := range []health{healthWaiting, healthDegraded, healthDown} {
		if count[h] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", count[h], h))
		}
	}
	return "pairs: " + strings.Join(parts, ", ")
}
