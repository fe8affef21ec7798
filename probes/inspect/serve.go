package inspect

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/impact"
	"github.com/ebpftop/ebpftop/probes/supervise"
)

const (
	// longestAnswer is more than any answer takes. Who hangs is of use to nobody.
	longestAnswer = 10 * time.Second
	// idleTime is how long a process stays that nobody asks: pairs of others, if there are
	// any, are asked for more often.
	idleTime = 5 * time.Second
	// longestQuestion, in bytes, is about more programs than there are. Whoever takes over the
	// asking process has this one take no more memory than that.
	longestQuestion = 1 << 20
	// firstTime is how long a process stays that nobody has asked yet.
	firstTime = 500 * time.Millisecond
)

// Serve answers the questions of an Inspector, until that is closed or asks nothing for
// some time.
func Serve(in, out *os.File) error {
	supervisor := os.Getppid()
	questions := bufio.NewReaderSize(in, longestQuestion)
	var reader crossconnect.IngressReader
	for patience := firstTime; ; {
		// Because several may have been read at once, not all wait in the pipe.
		if questions.Buffered() == 0 {
			if isIdle, err := supervise.AwaitQuestion(in, supervisor, patience); isIdle || err != nil {
				return err
			}
		}
		line, err := questions.ReadSlice('\n')
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read question: %w", err)
		}
		var q question
		if json.Unmarshal(line, &q) != nil {
			continue // empty, or the rest of one that a process before this had begun to read
		}
		tooLong := time.AfterFunc(longestAnswer, func() { os.Exit(1) })
		a := q.answer(&reader)
		tooLong.Stop()
		if err := writeLine(out, a); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
		patience = idleTime
	}
}

// answer answers, and remembers what reader opened.
func (q *question) answer(reader *crossconnect.IngressReader) (a answer) {
	a.Number = q.Number
	var err error
	switch {
	case q.Program != 0:
		a.Program, err = crossconnect.LookAtProgram(q.Program)
	case q.Ingresses != nil:
		a.Ingresses, err = reader.Read(q.Ingresses)
	default:
		sessions, unknown := impact.FindSessions(q.Process)
		for _, s := range sessions {
			a.Sessions = append(a.Sessions, knownSession{s.Client, s.Server, s.Scope})
		}
		if unknown != nil {
			a.Unknown = unknown.Error()
		}
	}
	if err != nil {
		a.Error = err.Error()
		_ = errors.As(err, &a.Errno) // or it is 0
	}
	return a
}
