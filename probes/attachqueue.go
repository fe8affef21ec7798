package probes

import (
	"slices"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// attachJob is an interface to be attached to.
type attachJob struct {
	w     *watched
	hooks []Hook // to try, in this order
	why   string // the first of them
	port  crossconnect.XDPPort
}

// isShort tells that the job takes microseconds, because nothing is attached to the
// interface itself.
func (j attachJob) isShort() bool {
	return j.port == (crossconnect.XDPPort{}) && j.hooks[0] == HookTracepoint
}

func (j attachJob) run() {
	j.w.pending = false
	j.w.refusal = j.w.probe.attach(j.hooks, j.why, j.port)
}

const (
	// attachBurst is how many interfaces may be attached to or left at a go.
	attachBurst = 2
	// attachFew are so few that nobody has to wait for them.
	attachFew = 4
)

// attachQueue holds the interfaces that are yet to be attached to. To attach to one
// by tc takes the kernel some ten milliseconds, in which it lets nobody else change
// a network interface (RTNL). So after a burst it waits after each for as long as
// that took: others get the lock at once half of the time.
type attachQueue struct {
	jobs  []attachJob
	done  int // since the queue was empty
	pause rtnlPause
}

func (q *attachQueue) add(job attachJob) { q.jobs = append(q.jobs, job) }

func (q *attachQueue) isWaiting() bool { return len(q.jobs) > 0 }

// drop forgets an interface that is gone.
func (q *attachQueue) drop(w *watched) {
	q.jobs = slices.DeleteFunc(q.jobs, func(job attachJob) bool { return job.w == w })
}

// progress says how many interfaces have been attached to. It is zero if none is
// waiting.
func (q *attachQueue) progress() Progress {
	if !q.isWaiting() {
		return Progress{}
	}
	return Progress{Done: q.done, All: q.done + len(q.jobs)}
}

// next attaches to one interface, or to many where that is short. It returns when to
// call it again, false if no interface is waiting.
func (q *attachQueue) next() (wait time.Duration, more bool) {
	for isShort := true; isShort && q.isWaiting(); {
		job := q.jobs[0]
		q.jobs = q.jobs[1:]
		q.done++
		if isShort = job.isShort(); isShort {
			job.run()
		} else {
			wait = q.pause.after(job.run)
		}
	}
	if !q.isWaiting() {
		*q = attachQueue{}
		return 0, false
	}
	return wait, true
}

// few attaches to the interfaces that are waiting if they are few.
func (q *attachQueue) few() {
	if len(q.jobs) <= attachFew {
		q.all()
	}
}

// all attaches to all interfaces that are waiting.
func (q *attachQueue) all() {
	for wait, more := q.next(); more; wait, more = q.next() {
		time.Sleep(wait)
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
