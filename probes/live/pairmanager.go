package live

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/inspect"
)

// othersAge is how old the list of other processes' pairs may get. No message announces
// them: they are found by asking for the programs on every interface.
const othersAge = 2 * time.Second

// pairsPatience is how long the probes, once they run, wait at most for another process
// that changes cross-connects.
const pairsPatience = 50 * time.Millisecond

// followAge is how long a pair that could have been connected may wait: an interface that
// comes and goes may refuse at one moment, and no message says that it would accept at
// the next.
const followAge = time.Second

// pairManager is all that ebpftop knows and does of cross-connects: a set of pairs that
// ends with it, and the one that is kept.
type pairManager struct {
	own, kept *crossconnect.PairSet

	follower   *linksfile.Follower                     // of the file of links, nil if there is none
	fromFile   []probes.Pair                           // its last good version
	allowLinks func(before, after []probes.Pair) error // nil: whatever a version says

	followProblem error     // of the last change of interfaces
	followTime    time.Time // when it was

	keptUnknown error // why the kept pairs were not known at the last poll

	before  *pairSets // the last change, to be undone
	onTrial bool      // at the last poll

	others        *crossconnect.Others
	othersPairs   []probes.CrossConnect
	othersUnknown error     // why there may be more of these
	othersTime    time.Time // of both
}

// pairSets are the sets of pairs of both pairSets.
type pairSets struct {
	own, kept []probes.Pair
}

// newPairManager opens both sets of pairs. yield makes the caller's own XDP program give
// way on an interface, and returns whether it did. inspector looks at programs of others.
// expedite is Options.Expedite.
func newPairManager(yield func(ifindex int) bool, inspector *inspect.Inspector, expedite func() func()) (r *pairManager, err error) {
	r = &pairManager{others: crossconnect.NewOthers(inspector.IngressReader())}
	if r.own, err = crossconnect.New(); err != nil {
		return nil, err
	}
	if r.kept, err = crossconnect.OpenKept(); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.own.YieldXDP, r.kept.YieldXDP = yield, yield
	r.own.LookAt, r.kept.LookAt = inspector.LookAt, inspector.LookAt
	r.own.Expedite, r.kept.Expedite = expedite, expedite
	return r, nil
}

// setPatience says how long a change waits for another process that changes cross-connects.
func (r *pairManager) setPatience(patience time.Duration) {
	r.own.Patience, r.kept.Patience = patience, patience
}

// Close disconnects the pairs that are not kept.
func (r *pairManager) Close() error {
	errs := []error{r.others.Close()}
	for _, w := range []*crossconnect.PairSet{r.own, r.kept} {
		if w != nil {
			errs = append(errs, w.Close())
		}
	}
	return errors.Join(errs...)
}

// followFile connects what a file of links says, and delivers the versions of it from then
// on. Without a file, it delivers none.
func (r *pairManager) followFile(ctx context.Context, file *linksfile.Remote) (versions <-chan linksfile.Version, err error) {
	if file == nil {
		return nil, nil
	}
	r.follower = linksfile.Follow(ctx, file, r.useLinks)
	versions = r.follower.Versions()
	return versions, r.follower.Use(<-versions)
}

// fileProblem is why the last version of the file of links is not in force.
func (r *pairManager) fileProblem() error {
	if r.follower == nil {
		return nil
	}
	return r.follower.Problem()
}

// problem is what is wrong with the file of links, or else with following the
// interfaces, in a line.
func (r *pairManager) problem() string {
	if err := cmp.Or(r.fileProblem(), r.followProblem); err != nil {
		return probes.OneLine(err)
	}
	return ""
}

// useLinks makes the pairs of the file of links those that come from it.
func (r *pairManager) useLinks(pairs []probes.Pair) error {
	if r.allowLinks != nil {
		if err := r.allowLinks(r.fromFile, pairs); err != nil {
			return err
		}
	}
	err := r.own.Edit(0, func(now []probes.Pair) ([]probes.Pair, error) {
		screen := slices.DeleteFunc(now, r.isFromFile)
		return append(screen, pairs...), nil
	})
	if err == nil {
		r.fromFile = pairs
	}
	return err
}

func (r *pairManager) isFromFile(p probes.Pair) bool {
	return slices.ContainsFunc(r.fromFile, func(f probes.Pair) bool { return f.Joins(p.A, p.B) })
}

// follow keeps up with interfaces. What goes wrong is shown with the pairs.
func (r *pairManager) follow() {
	r.retryFile()
	r.followProblem = errors.Join(r.own.Reconcile(), r.known(r.kept.Reconcile()))
	r.followTime = time.Now()
}

// recheck does what follow would find to do without a change of interfaces.
func (r *pairManager) recheck() {
	if r.followProblem != nil {
		r.follow()
		return
	}
	r.retryFile()
	r.followProblem = errors.Join(r.own.RetryWaiting(), r.known(r.kept.RetryWaiting()))
	r.followTime = time.Now()
}

// retryFile uses the last version of the file of links if that was refused before.
func (r *pairManager) retryFile() {
	if r.follower != nil {
		_ = r.follower.Retry() // shown with the pairs
	}
}

// poll describes all pairs, given the interfaces there are.
func (r *pairManager) poll(links []netlink.Link) ([]probes.CrossConnect, error) {
	r.keptUnknown = nil
	trial, err := r.trial()
	if err != nil {
		return nil, err
	}
	if r.onTrial && !trial {
		// Its time is over: remove what only the trial needed.
		r.follow()
	}
	r.onTrial = trial
	own, err := r.own.StatusAmong(links)
	if err != nil {
		return nil, err
	}
	for i := range own {
		if r.isFromFile(probes.Pair{A: own[i].A, B: own[i].B}) {
			own[i].Origin = crossconnect.OriginFile
		}
	}
	kept, err := r.kept.StatusAmong(links)
	if err := r.known(err); err != nil {
		return nil, err
	}
	if now := time.Now(); now.Sub(r.othersTime) > othersAge {
		if err := r.pollOthers(links); err != nil {
			return nil, err
		}
		r.othersTime = now
	}
	if (len(own)+len(kept) > 0 || r.fileProblem() != nil) && time.Since(r.followTime) > followAge {
		r.recheck()
	}
	return slices.Concat(own, kept, r.othersPairs), nil
}

// known notes that the kept pairs are not, which an error about them may say. It returns any
// other error: without them, all others go on.
func (r *pairManager) known(err error) error {
	if errors.Is(err, crossconnect.ErrUnknown) {
		r.keptUnknown = err
		return nil
	}
	return err
}

// pollOthers describes the pairs of other processes, or notes that they are unknown.
func (r *pairManager) pollOthers(links []netlink.Link) (err error) {
	r.othersPairs, err = r.others.StatusAmong(links)
	r.othersUnknown = nil
	if errors.Is(err, crossconnect.ErrUnknown) {
		r.othersUnknown = err
		return nil
	}
	return err
}

// xdpIngresses lists the interfaces that XDP cross-connects, by ifindex.
func (r *pairManager) xdpIngresses() (map[int]crossconnect.XDPIngress, error) {
	own, errOwn := r.own.XDPIngresses()
	kept, errKept := r.kept.XDPIngresses()
	maps.Copy(own, kept)
	return own, errors.Join(errOwn, r.known(errKept))
}

// trial tells whether a change is on trial.
func (r *pairManager) trial() (bool, error) {
	own, errOwn := r.own.Trial()
	kept, errKept := r.kept.Trial()
	return own != 0 || kept != 0, errors.Join(errOwn, r.known(errKept))
}

// apply makes a change, and remembers what was before.
func (r *pairManager) apply(c probes.Change) error {
	before, err := r.pairs()
	if err != nil {
		return err
	}
	after := pairSets{own: slices.Clone(before.own), kept: slices.Clone(before.kept)}
	if c.Remove != nil {
		gone := func(p probes.Pair) bool { return p.Joins(c.Remove.A, c.Remove.B) }
		n := len(after.own) + len(after.kept)
		after.own = slices.DeleteFunc(after.own, gone)
		after.kept = slices.DeleteFunc(after.kept, gone)
		if n == len(after.own)+len(after.kept) {
			return fmt.Errorf("%s and %s are not connected by this ebpftop, nor kept", c.Remove.A, c.Remove.B)
		}
	}
	switch {
	case c.Add != nil && c.Keep:
		after.kept = append(after.kept, *c.Add)
	case c.Add != nil:
		after.own = append(after.own, *c.Add)
	}
	if err := r.set(before, after, c.Trial); err != nil {
		return err
	}
	r.before = &before
	return nil
}

func (r *pairManager) pairs() (w pairSets, err error) {
	if w.own, err = r.own.Pairs(); err != nil {
		return w, err
	}
	w.kept, err = r.kept.Pairs()
	return w, r.known(err)
}

// set changes one set of pairs or both. An interface may go from one to the other, so the
// set that loses a pair changes first; if the other one then fails, it is restored.
func (r *pairManager) set(before, after pairSets, trial time.Duration) error {
	changesOwn := !slices.Equal(before.own, after.own)
	changesKept := !slices.Equal(before.kept, after.kept)
	if changesOwn && changesKept && trial != 0 {
		return errors.New("a trial cannot change whether a pair is kept: change that without a trial")
	}
	own := func() error { return r.own.Set(after.own, trial) }
	kept := func() error { return r.kept.Set(after.kept, trial) }
	switch {
	case !changesKept:
		return own()
	case !changesOwn:
		return kept()
	case len(after.own) < len(before.own):
		if err := own(); err != nil {
			return err
		}
		if err := kept(); err != nil {
			return errors.Join(err, r.own.Set(before.own, 0))
		}
	default:
		if err := kept(); err != nil {
			return err
		}
		if err := own(); err != nil {
			return errors.Join(err, r.kept.Set(before.kept, 0))
		}
	}
	return nil
}

// confirm makes what is on trial stay.
func (r *pairManager) confirm() error { return r.endTrials((*crossconnect.PairSet).Confirm) }

// undo takes back what is on trial, or else the last change; again, it redoes.
func (r *pairManager) undo() error {
	trial, err := r.trial()
	if err != nil {
		return err
	}
	if trial {
		return r.endTrials((*crossconnect.PairSet).Rollback)
	}
	if r.before == nil {
		return errors.New("nothing to undo")
	}
	now, err := r.pairs()
	if err != nil {
		return err
	}
	if err := r.set(now, *r.before, 0); err != nil {
		return err
	}
	r.before = &now
	return nil
}

// endTrials ends the trial of one set of pairs or both.
func (r *pairManager) endTrials(end func(*crossconnect.PairSet) error) error {
	errOwn, errKept := end(r.own), end(r.kept)
	if errOwn == nil && errors.Is(errKept, crossconnect.ErrNoTrial) {
		return nil
	}
	if errKept == nil && errors.Is(errOwn, crossconnect.ErrNoTrial) {
		return nil
	}
	if errors.Is(errOwn, crossconnect.ErrNoTrial) {
		return errKept // which may be the same
	}
	return errors.Join(errOwn, errKept)
}

// keepAll lets the pairs stay when ebpftop ends.
func (r *pairManager) keepAll() error { return r.own.Keep(r.kept) }
