package snapshot

import "github.com/ebpftop/ebpftop/probes"

// Execs is the latest programs, oldest first.
type Execs struct {
	LeftOut          bool // programs are not watched
	ArgsLeftOut      bool
	Hook, HookReason string
	Total            uint64
	Failed           *uint64
	PerSecond        float64
	Events           []Exec
	History          []float64 // of PerSecond
	Listed           int       // Events without the filter
	Narrowed         string    // what Events are narrowed to, "" if all are there
}

// Exec is one program; its number stays its own as the list moves on.
type Exec struct {
	Number uint64
	probes.Exec
}

const (
	// execsKept is how many programs the list has at most.
	execsKept = 1000
	// execsRemembered is how many there are for lists of the past, too.
	execsRemembered = 2 * execsKept
)

// execLog keeps the latest programs.
type execLog struct {
	events []Exec // snapshots hold parts of it
	count  uint64
}

// add appends what one sample brings.
func (l *execLog) add(events []probes.Exec) {
	for _, e := range events {
		l.count++
		l.events = append(l.events, Exec{Number: l.count, Exec: e})
	}
	if n := len(l.events); n > execsRemembered+execsKept/2 { // snapshots still hold the old array
		l.events = append(make([]Exec, 0, execsRemembered+execsKept/2+1), l.events[n-execsRemembered:]...)
	}
}

// until are the latest of the first so many programs, as far as they are remembered. Nothing is ever written over them.
func (l *execLog) until(count uint64) []Exec {
	n := max(0, len(l.events)-int(l.count-count))
	return l.events[max(0, n-execsKept):n:n]
}

// executed are the programs up to what is shown.
func (p *Presenter) executed() []Exec { return p.log.until(p.taken.Programs) }

// execs are the programs wanted.
func (p *Presenter) execs() Execs {
	x := &p.shown.Execs
	out := Execs{
		LeftOut:     x.LeftOut,
		ArgsLeftOut: x.ArgsLeftOut,
		Hook:        x.Hook,
		HookReason:  x.HookReason,
		Total:       x.Total,
		Failed:      x.Failed,
		PerSecond:   x.PerSecond,
		Events:      p.narrowExecs(p.executed()),
		History:     p.rates("", execSeries),
	}
	out.Listed = len(out.Events)
	out.Events = execKind.filtered(out.Events, p.query.Execs.Filter)
	if p.query.Narrowable(OfExec) {
		out.Narrowed = p.query.narrowedTo()
	}
	return out
}
