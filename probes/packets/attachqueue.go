package packets

import (
	"errors"
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// attachJob is an interface to be attached to.
type attachJob struct {
	w       *watched
	hooks   []probes.Hook // to try, in this order
	why     string        // the first of them
	ingress crossconnect.XDPIngress
}

// isShort tells that the job takes microseconds, because nothing is attached to the
// interface itself.
func (j attachJob) isShort() bool {
	return j.ingress == (crossconnect.XDPIngress{}) && j.hooks[0] == probes.HookTracepoint
}

func (j attachJob) run() {
	j.w.pending = false
	j.w.refusal = j.w.probe.attach(j.hooks, j.why, j.ingress)
}

// isLocked tells that the job failed because another process was changing cross-connects.
func (j attachJob) isLocked() bool { return errors.Is(j.w.refusal, crossconnect.ErrLocked) }

const (
	// attachBurst is how many interfaces may be attached or detached without a pause.
	attachBurst = 2
	// attachFew are so few that nobody has to wait for them.
	attachFew = 4
	// attachMany are so many that it is worth to expedite.
	attachMany = 8
	// lockedPause is how long to wait for another process before a job is tried again.
	lockedPause = 500 * time.Millisecond
)

// AttachQueue holds the interfaces that are still to be attached. Attaching one by tc
// takes the kernel some ten milliseconds, unless expedited, during which nobody else can
// change a network interface (RTNL). So after a burst, the queue pauses after each for as long as that
// took: others get the lock at once half of the time.
type AttachQueue struct {
	// Expedite is called before many programs are attached or detached, and what it returns
	// after that. It may be nil.
	Expedite func() (end func())

	end    func() // of what is expedited now, or nil
	jobs   []attachJob
	locked []attachJob // to be tried again
	done   int         // since the queue was empty
	pause  rtnlPause
}

func (q *AttachQueue) add(job attachJob) { q.jobs = append(q.jobs, job) }

func (q *AttachQueue) IsWaiting() bool { return len(q.jobs)+len(q.locked) > 0 }

// drop forgets an interface that is gone.
func (q *AttachQueue) drop(w *watched) {
	isOf := func(job attachJob) bool { return job.w == w }
	q.jobs, q.locked = slices.DeleteFunc(q.jobs, isOf), slices.DeleteFunc(q.locked, isOf)
}

// Progress says how many interfaces have been attached to. It is zero if none is
// waiting.
func (q *AttachQueue) Progress() probes.Progress {
	if !q.IsWaiting() {
		return probes.Progress{}
	}
	return probes.Progress{Done: q.done, All: q.done + len(q.jobs) + len(q.locked)}
}

// Next attaches to one interface, or to many where that is short. It returns when to
// call it again, false if no interface is waiting.
func (q *AttachQueue) Next() (wait time.Duration, more bool) {
	if len(q.jobs) == 0 {
		q.jobs, q.locked = q.locked, nil
	}
	for isShort := true; isShort && len(q.jobs) > 0; {
		job := q.jobs[0]
		q.jobs = q.jobs[1:]
		q.done++
		if isShort = job.isShort(); isShort {
			job.run()
		} else {
			q.expedite(len(q.jobs) + 1)
			wait = q.pause.after(job.run)
		}
		if job.isLocked() {
			q.done--
			q.locked = append(q.locked, job)
		}
	}
	if len(q.jobs) == 0 {
		q.expedited()
	}
	switch {
	case !q.IsWaiting():
		q.clear()
		return 0, false
	case len(q.jobs) == 0:
		return lockedPause, true
	}
	return wait, true
}

// expedite is for so many interfaces, until expedited is called.
func (q *AttachQueue) expedite(count int) {
	if count >= attachMany && q.end == nil && q.Expedite != nil {
		q.end = q.Expedite()
	}
}

func (q *AttachQueue) expedited() {
	if q.end != nil {
		q.end()
		q.end = nil
	}
}

// clear forgets all jobs.
func (q *AttachQueue) clear() {
	q.expedited()
	*q = AttachQueue{Expedite: q.Expedite}
}

// Few attaches to the interfaces that are waiting if they are few.
func (q *AttachQueue) Few() {
	if len(q.jobs) <= attachFew {
		q.All()
	}
}

// All attaches to all interfaces that are waiting, but for those to be tried again.
func (q *AttachQueue) All() {
	for len(q.jobs) > 0 {
		if wait, _ := q.Next(); len(q.jobs) > 0 {
			time.Sleep(wait)
		}
	}
}

// rtnlPause leaves others time between changes of interfaces.
type rtnlPause struct{ changes int }

// after makes a change, and returns how long to wait before the next one.
func (p *rtnlPause) after(change func()) time.Duration {
	start := time.Now()
	change()
	if p.changes++; p.changes < attachBurst {
		return 0
	}
	return time.Since(start)
}
