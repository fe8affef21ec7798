package terminal

import (
	"context"
	"io"
	"os"
	"sync"
	"time"

	uv "github.com/charmbracelet/ultraviolet"
	"github.com/charmbracelet/x/ansi"
)

const (
	// escapeTime is how long an Esc waits for the rest of a sequence. Over a slow line, the
	// two parts of one arrive up to 200 ms from each other.
	escapeTime = 250 * time.Millisecond
	// answerTime is how long after a question the answer of a terminal on this host may
	// come.
	answerTime = 300 * time.Millisecond
)

// keyReader reads keys while the terminal is ours.
type keyReader struct {
	events   chan uv.Event
	answered func() // called at an answer of the terminal
	reader   cancelReader
	cancel   context.CancelFunc
	ended    chan struct{}
}

// cancelReader is what reads until it is canceled.
type cancelReader interface {
	io.ReadCloser
	// Cancel tells whether a Read that waits returns.
	Cancel() bool
}

// Keys are the keys that are pressed, what is pasted, and what the terminal answers.
func (t *Terminal) Keys() <-chan uv.Event { return t.keys.events }

// listen begins to read, if it does not yet.
func (k *keyReader) listen(input io.Reader, terminal string) error {
	if k.reader != nil {
		return nil
	}
	cancelable, err := uv.NewCancelReader(input)
	if err != nil {
		return err
	}
	k.reader = &reportReader{cancelReader: cancelable}
	reader := uv.NewTerminalReader(k.reader, terminal)
	reader.EscTimeout = escapeTime
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel, k.ended = cancel, make(chan struct{})
	go k.stream(ctx, reader, k.ended)
	return nil
}

// stream hands events over until ctx ends. An error of the terminal is noticed where it
// is read.
func (k *keyReader) stream(ctx context.Context, reader *uv.TerminalReader, ended chan struct{}) {
	defer close(ended)
	events := make(chan uv.Event)
	go func() {
		defer close(events)
		_ = reader.StreamEvents(ctx, events)
	}()
	for event := range events {
		if _, ok := event.(uv.ModeReportEvent); ok {
			k.answered()
		}
		select {
		case k.events <- event:
		case <-ctx.Done(): // and the rest of them is for nobody
		}
	}
}

// ignore ends reading: what is typed from now on is for somebody else.
func (k *keyReader) ignore() {
	if k.reader == nil {
		return
	}
	k.cancel()
	if k.reader.Cancel() {
		<-k.ended
	}
	_ = k.reader.Close()
	k.reader = nil
}

// watchedFile notices that a terminal is gone. The library would go on to wait for keys
// that never come.
type watchedFile struct {
	*os.File
	terminal *Terminal
}

// Read reads nothing that is typed for somebody else: the kernel would stop us.
func (w *watchedFile) Read(p []byte) (int, error) {
	if !w.terminal.InForeground() {
		time.Sleep(lookAside) // until Follow sees it
		return 0, nil
	}
	n, err := w.File.Read(p)
	if err != nil {
		w.terminal.gone()
	}
	return n, err
}

// question is whether the terminal can take a frame before it shows it. Its answer must
// not come when nobody waits for it any more but a shell.
type question struct {
	asked    time.Time // zero if it was not
	answered chan struct{}
	once     sync.Once
}

// ask returns what asks, once, where the answer comes soon: not over a network. Apple's
// terminal prints the question.
func (q *question) ask(t *Terminal) string {
	if !q.asked.IsZero() || t.remote || t.environ.get("SSH_TTY") != "" || t.environ.get("TERM_PROGRAM") == "Apple_Terminal" {
		return ""
	}
	q.asked = time.Now()
	return ansi.RequestModeSynchronizedOutput
}

func (q *question) noteAnswer() { q.once.Do(func() { close(q.answered) }) }

// awaitAnswer waits for the answer if it may still come.
func (q *question) awaitAnswer() {
	if q.asked.IsZero() {
		return
	}
	select {
	case <-q.answered:
	case <-time.After(time.Until(q.asked.Add(answerTime))):
	}
}
