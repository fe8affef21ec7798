package inspect

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/impact"
)

// Questions and answers are JSON, one on a line. A process that is killed leaves a part
// of a line: the next one begins with a new line, and what cannot be read is passed over.

// question is about a program, about the ingresses that several serve, or about the SSH
// sessions that a process may be in.
type question struct {
	Number    uint64 // from 1 on
	Program   ebpf.ProgramID
	Ingresses []ebpf.ProgramID // empty, but not nil: of none any more
	Process   int
}

// answer is to one of them. That with number 0 is to none: it says that the answering
// process was killed, and its question with it.
type answer struct {
	Number    uint64
	Program   crossconnect.Program
	Ingresses map[ebpf.ProgramID]*crossconnect.KernelIngress
	Sessions  []knownSession
	Unknown   string     // why sessions may be missing
	Errno     unix.Errno // why there is no answer
	Error     string     // the same, in words
}

// knownSession is a session, as it is sent to the other process.
type knownSession struct {
	Client, Server net.IP
	Scope          int
}

// err is why there is no answer.
func (a *answer) err() error {
	switch {
	case a.Errno != 0:
		return a.Errno
	case a.Error != "":
		return errors.New(a.Error)
	}
	return nil
}

// sessions are those of an answer. With an error, some may be missing.
func (a *answer) sessions() (found impact.Sessions, err error) {
	for _, s := range a.Sessions {
		found = append(found, impact.Session{Client: s.Client, Server: s.Server, Scope: s.Scope})
	}
	if a.Unknown != "" {
		err = errors.New(a.Unknown)
	}
	return found, err
}

// longestLine is far more than an answer about thousands of ingresses.
const longestLine = 64 << 20

func newLines(from io.Reader) *bufio.Scanner {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, longestLine)
	return lines
}

// WriteKilled tells an Inspector that the process that calls Serve was killed.
func WriteKilled(to io.Writer) error { return writeLine(to, answer{}) }

// writeLine ends what a process before it may have begun.
func writeLine(to io.Writer, message any) error {
	line, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	_, err = to.Write(append(append([]byte{'\n'}, line...), '\n'))
	return err
}
