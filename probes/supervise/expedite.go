package supervise

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// To attach a tcx program, or to detach one, takes a grace period of RCU (tcx_entry_sync() in
// include/net/tcx.h): some ten milliseconds, during which nobody else can change a network
// interface. Grace periods that are expedited take some ten microseconds, and an interrupt on
// each busy CPU. That is a setting of the whole machine, so it is made only while many
// programs are attached or detached; rcu_normal, for those who cannot have the interrupts, is
// above it. See Documentation/ABI/testing/sysfs-kernel-rcu in the kernel's sources.

const rcuExpedited = "/sys/kernel/rcu_expedited"

// Values of the setting. Any but 0 expedites: ours has the pid of the process that made it,
// so that those who come later know whether that has ended without having taken it back.
const (
	notExpedited = 0
	ourMark      = 1 << 30
)

// expediteMost is how long it stays expedited unless told again, milliseconds: whoever asked
// may have been stopped.
const expediteMost = 10_000

// Expediter is a Task that has grace periods expedited as long as an Expedite at the other
// end of In wants that, at most for ten seconds.
type Expediter struct {
	setting *os.File
	own     int64 // value of the setting
	asker   int   // the process at the other end of In, our parent
	isDone  bool  // the asker has nothing to attach or detach any more
	In      *os.File
}

// OpenExpediter opens the setting, to be called before the process gives up the right to. If a
// process had it and was killed, grace periods are normal from now on. It returns nil if
// this process may not, or the kernel has no such setting.
func OpenExpediter(in *os.File) *Expediter { return openExpediter(rcuExpedited, in) }

func openExpediter(path string, in *os.File) *Expediter {
	setting, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return nil
	}
	e := &Expediter{setting: setting, own: int64(ourMark | os.Getpid()), asker: os.Getppid(), In: in}
	if value, err := e.read(); err == nil && isLeftOver(value) {
		_ = e.write(notExpedited) // else it stays as it was, which costs time and no more
	}
	return e
}

// isLeftOver tells whether a process made this the value that has ended.
func isLeftOver(value int64) bool {
	if value&ourMark == 0 || value < 0 {
		return false
	}
	_, err := os.Stat(filepath.Join("/proc", fmt.Sprint(value&^ourMark)))
	return errors.Is(err, fs.ErrNotExist)
}

func (e *Expediter) run() error {
	patience := -1
	for {
		events, err := AwaitInput(e.In, patience)
		switch {
		case err != nil || events == 0: // for too long
			err = errors.Join(err, e.end())
			patience = -1
		case events&unix.POLLIN != 0:
			patience, err = e.obey()
		default: // nobody is there any more
			return errors.Join(e.outlast(), e.end(), e.setting.Close())
		}
		if err != nil {
			return err
		}
	}
}

// obey reads what is wanted, and returns how long that holds, in milliseconds.
func (e *Expediter) obey() (patience int, err error) {
	var wanted [1]byte
	if _, err := e.In.Read(wanted[:]); err != nil {
		return 0, fmt.Errorf("read whether grace periods are to be expedited: %w", err)
	}
	if wanted[0] == wantExpedited {
		return expediteMost, e.begin()
	}
	e.isDone = wanted[0] == wantNothing
	return -1, e.end()
}

// outlast expedites while the kernel detaches what a process had that was killed. It closes
// the process's files, In among them, before its children get another parent (do_exit() in
// kernel/exit.c).
func (e *Expediter) outlast() error {
	if e.isDone || os.Getppid() != e.asker {
		return nil
	}
	if err := e.begin(); err != nil {
		return err
	}
	for range expediteMost {
		if os.Getppid() != e.asker {
			break
		}
		time.Sleep(time.Millisecond)
	}
	return nil
}

// begin leaves the setting alone if somebody else made it.
func (e *Expediter) begin() error {
	value, err := e.read()
	if err != nil || value != notExpedited && value&ourMark == 0 {
		return err
	}
	return e.write(e.own)
}

// end leaves the setting alone if it is not ours any more.
func (e *Expediter) end() error {
	value, err := e.read()
	if err != nil || value != e.own {
		return err
	}
	return e.write(notExpedited)
}

func (e *Expediter) read() (int64, error) {
	var text [32]byte
	n, err := e.setting.ReadAt(text[:], 0)
	if n == 0 && err != nil {
		return 0, fmt.Errorf("read %s: %w", e.setting.Name(), err)
	}
	value, err := strconv.ParseInt(strings.TrimSpace(string(text[:n])), 0, 64)
	if err != nil {
		return 0, fmt.Errorf("read %s: %w", e.setting.Name(), err)
	}
	return value, nil
}

// write writes a value of always the same length.
func (e *Expediter) write(value int64) error {
	if _, err := e.setting.WriteAt(fmt.Appendf(nil, "%#010x\n", value), 0); err != nil {
		return fmt.Errorf("write to %s: %w", e.setting.Name(), err)
	}
	return nil
}

// What an Expedite says, a byte each.
const (
	wantNormal    = 'n'
	wantExpedited = 'e'
	wantNothing   = '.' // any more
)

// Expedite asks an Expediter in another process. One that is nil asks nobody.
type Expedite struct {
	mu   sync.Mutex
	out  *os.File
	uses int
}

// NewExpedite returns the end of the Expediter, too, for its In.
func NewExpedite() (*Expedite, *os.File, error) {
	in, out, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("open a pipe to the supervisor: %w", err)
	}
	return &Expedite{out: out}, in, nil
}

// writePatience is how long a supervisor that was stopped, with a full pipe, may hold up who asks.
const writePatience = 10 * time.Millisecond

// Begin has grace periods expedited soon, until the last of those who began calls end. It
// waits for no answer: without one, all works the same, and takes longer.
func (e *Expedite) Begin() (end func()) {
	if e == nil {
		return func() {}
	}
	e.use(1)
	return sync.OnceFunc(func() { e.use(-1) })
}

func (e *Expedite) use(more int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	before := e.uses
	e.uses += more
	_ = e.out.SetWriteDeadline(time.Now().Add(writePatience)) // fails once it is closed
	switch {
	case before == 0:
		_, _ = e.out.Write([]byte{wantExpedited}) // fails if the supervisor was killed
	case e.uses == 0:
		_, _ = e.out.Write([]byte{wantNormal}) // likewise
	}
}

// Close is for when nothing is attached or detached any more.
func (e *Expedite) Close() error {
	if e == nil {
		return nil
	}
	_, _ = e.out.Write([]byte{wantNothing}) // likewise
	return e.out.Close()
}
