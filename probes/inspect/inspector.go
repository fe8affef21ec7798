// Package inspect looks at what is not ours, in a process of its own.
package inspect

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/impact"
)

// Inspector is a process that looks at what is not ours, in place of one that
// gave up the right to: at the programs of others, and at the processes that an
// SSH session may be served by. It tells, and changes nothing. A nil *Inspector
// looks with the rights of this process.
type Inspector struct {
	cmd      *exec.Cmd
	input    io.Closer
	mu       sync.Mutex // a question, then its answer
	question *json.Encoder
	answer   *json.Decoder
}

// question is about a program, about the ingresses that several serve, or if there
// is neither about the SSH session.
type question struct {
	Program   ebpf.ProgramID
	Ingresses []ebpf.ProgramID // empty, but not nil: of none any more
}

// answer is one of them, or why there is none.
type answer struct {
	Program   crossconnect.Program
	Ingresses map[ebpf.ProgramID]*crossconnect.KernelIngress
	Sessions  []knownSession
	Errno     unix.Errno
	Error     string
}

// knownSession is a session, as it is told to the other process.
type knownSession struct {
	Client, Server net.IP
	Scope          int
}

// errNoInspector makes others' programs unknown, and is no reason to end.
var errNoInspector = fmt.Errorf("the inspecting process is gone: %w", os.ErrPermission)

// StartInspector starts a program that calls Inspect. It ends with this process.
func Start(cmd *exec.Cmd) (*Inspector, error) {
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("start inspector: %w", err)
	}
	output, err := cmd.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("start inspector: %w", err)
	}
	// Keys of the terminal that end us must not end it first.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start inspector: %w", err)
	}
	return &Inspector{cmd: cmd, input: input, question: json.NewEncoder(input), answer: json.NewDecoder(output)}, nil
}

// Inspect answers the questions of an Inspector until it is closed.
func Serve(in io.Reader, out io.Writer) error {
	questions, answers := json.NewDecoder(in), json.NewEncoder(out)
	var reader crossconnect.IngressReader
	for {
		var q question
		if err := questions.Decode(&q); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read question: %w", err)
		}
		if err := answers.Encode(q.answer(&reader)); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
}

// answer answers, and remembers what reader opened.
func (q question) answer(reader *crossconnect.IngressReader) (a answer) {
	var err error
	switch {
	case q.Program != 0:
		a.Program, err = crossconnect.LookAtProgram(q.Program)
	case q.Ingresses != nil:
		a.Ingresses, err = reader.Read(q.Ingresses)
	default:
		for _, s := range impact.FindSessions() {
			a.Sessions = append(a.Sessions, knownSession{s.Client, s.Server, s.Scope})
		}
	}
	if err != nil {
		a.Error = err.Error()
		_ = errors.As(err, &a.Errno) // or it is 0
	}
	return a
}

func (i *Inspector) ask(q question) (a answer, err error) {
	if i == nil {
		return q.answer(nil), nil
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.question.Encode(q) != nil || i.answer.Decode(&a) != nil {
		return answer{}, errNoInspector
	}
	return a, nil
}

// err is why there is no answer.
func (a answer) err() error {
	switch {
	case a.Errno != 0:
		return a.Errno
	case a.Error != "":
		return errors.New(a.Error)
	}
	return nil
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

// Sessions are the SSH sessions of now; none if there is nobody to tell.
func (i *Inspector) Sessions() (found impact.Sessions) {
	a, _ := i.ask(question{})
	for _, s := range a.Sessions {
		found = append(found, impact.Session{Client: s.Client, Server: s.Server, Scope: s.Scope})
	}
	return found
}

// Close ends the process.
func (i *Inspector) Close() error {
	if i == nil {
		return nil
	}
	err := i.input.Close()
	_ = i.cmd.Wait() // however it ended: there is nothing to ask any more
	return err
}
