// Package inspect looks at what is not ours, in a process of its own.
package inspect

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/impact"
	"github.com/ebpftop/ebpftop/probes/supervise"
)

// Inspector has another process look at what this one gave up the right to see: the
// programs of others, and the processes that may serve an SSH session. That process
// answers, and changes nothing. A nil *Inspector looks with the rights of this process.
//
// What it cannot see is unknown, which is not the same as none: its methods then return
// an error that is an os.ErrPermission.
type Inspector struct {
	supervisor *exec.Cmd
	started    time.Time
	closed     chan struct{}
	answers    chan answer // closed when no process is left that could answer

	mu        sync.Mutex // one question at a time
	questions *os.File
	last      uint64    // number of the last question
	isLate    bool      // the last question has none yet
	isGone    bool      // there will be none any more
	killed    time.Time // when the answering process last was, zero if never
}

const (
	// patience is how long an answer may take: longer than the processes of a large host
	// take to look through, shorter than anybody waits for a key.
	patience = 2 * time.Second
	// startPatience is the patience after the start, when the host may be just
	// booting.
	startPatience = 10 * time.Second
	// mostAttempts is how often a question is asked if the answering process is
	// killed each time.
	mostAttempts = 3
	// newsAge is how long State reports that a process was killed.
	newsAge = 10 * time.Second
)

// unknownError is an os.ErrPermission in words of its own.
type unknownError string

func (e unknownError) Error() string { return string(e) }

func (e unknownError) Is(target error) bool { return target == os.ErrPermission }

const (
	errLate   unknownError = "the inspecting process does not answer"
	errKilled unknownError = "the inspecting process is killed again and again"
	errGone   unknownError = "the inspecting process was killed: start ebpftop again"
)

// Start starts a program that supervises one which calls Serve, by its standard input and
// output. It ends with this process.
func Start(supervisor *exec.Cmd) (i *Inspector, err error) {
	i = &Inspector{supervisor: supervisor, started: time.Now(), closed: make(chan struct{}), answers: make(chan answer)}
	asked, questions, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start inspector: %w", err)
	}
	defer asked.Close()
	answered, answers, err := os.Pipe()
	if err != nil {
		questions.Close()
		return nil, fmt.Errorf("start inspector: %w", err)
	}
	defer answers.Close()
	supervisor.Stdin, supervisor.Stdout = asked, answers
	// Keys of the terminal must not end it before us. Because it stays in our
	// session, the kernel lets it continue when we end, even if somebody stopped it.
	supervisor.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := supervisor.Start(); err != nil {
		questions.Close()
		answered.Close()
		return nil, fmt.Errorf("start inspector: %w", err)
	}
	i.questions = questions
	go i.receive(answered)
	return i, nil
}

// receive hands over what comes until nothing can come any more.
func (i *Inspector) receive(from *os.File) {
	defer from.Close()
	defer close(i.answers)
	for lines := newLines(from); lines.Scan(); {
		var a answer
		if json.Unmarshal(lines.Bytes(), &a) != nil {
			continue // empty, or of a process that was killed meanwhile
		}
		select {
		case i.answers <- a:
		case <-i.closed:
			return
		}
	}
}

// ask returns the answer, or after a bounded time that there is none. Then it does not
// wait again until the process has shown that it is alive.
func (i *Inspector) ask(q question) (answer, error) {
	if i == nil {
		return q.answer(nil), nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.catchUp()
	if i.isLate {
		return answer{}, errLate
	}
	wait := max(patience, time.Until(i.started.Add(startPatience)))
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	for range mostAttempts {
		i.last++
		q.Number = i.last
		i.send(q, time.Now().Add(wait))
		a, err := i.await(timeout.C)
		if err != nil || a.Number != 0 {
			return a, err
		}
	}
	return answer{}, errKilled
}

// await returns the answer to the last question, or to none if the process that read it was
// killed.
func (i *Inspector) await(timeout <-chan time.Time) (answer, error) {
	for {
		select {
		case a, ok := <-i.answers:
			i.note(a, ok)
			switch {
			case !ok:
				return answer{}, errGone
			case a.Number == i.last || a.Number == 0:
				return a, nil
			}
		case <-timeout:
			i.isLate = true
			return answer{}, errLate
		}
	}
}

// send writes a question. What it cannot write has no answer in time, and that is seen.
func (i *Inspector) send(q question, deadline time.Time) {
	_ = i.questions.SetWriteDeadline(deadline)
	_ = writeLine(i.questions, q)
}

// catchUp takes what came after it was waited for.
func (i *Inspector) catchUp() {
	for !i.isGone {
		select {
		case a, ok := <-i.answers:
			i.note(a, ok)
		default:
			return
		}
	}
}

// note takes a message as a sign of life, or their end as that of the process.
func (i *Inspector) note(a answer, ok bool) {
	i.isGone, i.isLate = !ok, false
	if ok && a.Number == 0 {
		i.killed = time.Now()
	}
}

// State says whether the process answers, and what happened to it lately: empty if nothing
// did. It does not wait for anything.
func (i *Inspector) State() (isWell bool, news string) {
	if i == nil || !i.mu.TryLock() {
		return true, ""
	}
	defer i.mu.Unlock()
	i.catchUp()
	switch {
	case i.isGone:
		return false, errGone.Error()
	case i.isLate:
		return false, errLate.Error()
	case !i.killed.IsZero() && time.Since(i.killed) < newsAge:
		return true, "the inspecting process was killed, and is started again"
	}
	return true, ""
}

// LookAt is a crossconnect.LookAt.
func (i *Inspector) LookAt(id ebpf.ProgramID) (crossconnect.Program, error) {
	a, err := i.ask(question{Program: id})
	if err != nil {
		return crossconnect.Program{}, err
	}
	return a.Program, a.err()
}

// IngressReader is a crossconnect.ReadIngresses for one caller.
func (i *Inspector) IngressReader() crossconnect.ReadIngresses {
	if i == nil {
		return new(crossconnect.IngressReader).Read
	}
	return func(ids []ebpf.ProgramID) (map[ebpf.ProgramID]*crossconnect.KernelIngress, error) {
		a, err := i.ask(question{Ingresses: append([]ebpf.ProgramID{}, ids...)})
		if err != nil {
			return nil, err
		}
		return a.Ingresses, a.err()
	}
}

// Sessions are the SSH sessions that this process may be in now. With an error, some may
// be missing.
func (i *Inspector) Sessions() (impact.Sessions, error) {
	a, err := i.ask(question{Process: os.Getpid()})
	if err != nil {
		return nil, err
	}
	return a.sessions()
}

// Close ends the process. One that somebody stopped ends when this process does.
func (i *Inspector) Close() error {
	if i == nil {
		return nil
	}
	err := i.questions.Close()
	close(i.closed)
	supervise.AwaitEnd(i.supervisor)
	return err
}
