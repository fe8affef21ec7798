package linksfile

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
)

// never is a polling interval for tests of what events alone bring.
const never = time.Hour

// tempDir is a directory on a file system where nobody else is at work: any
// event makes Watch look at its file, and under /tmp there are many.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "linksfile")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

func write(t *testing.T, path, content string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(content), 0o600))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// start follows path and takes the first version.
func start(t *testing.T, path string, interval time.Duration, first string) <-chan Version {
	t.Helper()
	w, err := openVersions(t.Context(), File{Path: path}, interval)
	must(t, err)
	expect(t, w.box, first)
	return w.box
}

// expect waits for the version that is content. Versions before it are what
// the file held while the test was slow to go on.
func expect(t *testing.T, versions <-chan Version, content string) {
	t.Helper()
	await(t, versions, func(v Version) bool { return v.Err == nil && string(v.Data) == content }, content)
}

func expectGone(t *testing.T, versions <-chan Version) {
	t.Helper()
	await(t, versions, func(v Version) bool { return errors.Is(v.Err, fs.ErrNotExist) }, "no file")
}

func await(t *testing.T, versions <-chan Version, wanted func(Version) bool, want string) {
	t.Helper()
	giveUp := time.After(20 * time.Second)
	for {
		select {
		case v, open := <-versions:
			if wanted(v) {
				return
			}
			if !open {
				t.Fatalf("closed before %q", want)
			}
			t.Logf("on the way to %q: %q, %v", want, v.Data, v.Err)
		case <-giveUp:
			t.Fatalf("no version with %q", want)
		}
	}
}

func TestWatchNoticesAWrite(t *testing.T) {
	path := filepath.Join(tempDir(t), "links.yaml")
	write(t, path, "one")
	versions := start(t, path, never, "one")
	write(t, path, "two")
	expect(t, versions, "two")
}

func TestWatchNoticesAnotherFileUnderTheName(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "links.yaml")
	write(t, path, "one")
	versions := start(t, path, never, "one")
	for _, content := range []string{"two", "three"} { // twice: the new file is followed, too
		write(t, filepath.Join(dir, ".links.yaml.swp"), content)
		must(t, os.Rename(filepath.Join(dir, ".links.yaml.swp"), path))
		expect(t, versions, content)
	}
	write(t, path, "four")
	expect(t, versions, "four")
}

func TestWatchSurvivesDeletion(t *testing.T) {
	path := filepath.Join(tempDir(t), "links.yaml")
	write(t, path, "one")
	versions := start(t, path, never, "one")
	must(t, os.Remove(path))
	expectGone(t, versions)
	write(t, path, "one")
	expect(t, versions, "one")
}

func TestWatchSurvivesDeletionOfDirectories(t *testing.T) {
	top := filepath.Join(tempDir(t), "etc")
	dir := filepath.Join(top, "ebpftop")
	path := filepath.Join(dir, "links.yaml")
	must(t, os.MkdirAll(dir, 0o700))
	write(t, path, "one")
	versions := start(t, path, never, "one")
	for _, content := range []string{"two", "three"} {
		must(t, os.RemoveAll(top))
		expectGone(t, versions)
		must(t, os.MkdirAll(dir, 0o700))
		write(t, path, content)
		expect(t, versions, content)
	}
	write(t, path, "four")
	expect(t, versions, "four")
}

func TestWatchNoticesAnotherDirectoryUnderTheName(t *testing.T) {
	top := tempDir(t)
	for _, dir := range []string{"now", "next"} {
		must(t, os.MkdirAll(filepath.Join(top, dir, "sub"), 0o700))
		write(t, filepath.Join(top, dir, "sub", "links.yaml"), dir)
	}
	path := filepath.Join(top, "now", "sub", "links.yaml")
	versions := start(t, path, never, "now")
	must(t, os.Rename(filepath.Join(top, "now"), filepath.Join(top, "old")))
	must(t, os.Rename(filepath.Join(top, "next"), filepath.Join(top, "now")))
	expect(t, versions, "next")
	write(t, path, "later")
	expect(t, versions, "later")
}

// swap makes link point to target in one step, as kubelet does.
func swap(t *testing.T, target, link string) {
	t.Helper()
	must(t, os.Symlink(target, link+".tmp"))
	must(t, os.Rename(link+".tmp", link))
}

func TestWatchFollowsAConfigMap(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "links.yaml")
	update := func(version string) {
		must(t, os.Mkdir(filepath.Join(dir, version), 0o700))
		write(t, filepath.Join(dir, version, "links.yaml"), version)
		swap(t, version, filepath.Join(dir, "..data"))
	}
	update("..2026_01")
	must(t, os.Symlink("..data/links.yaml", path))
	versions := start(t, path, never, "..2026_01")
	update("..2026_02")
	must(t, os.RemoveAll(filepath.Join(dir, "..2026_01")))
	expect(t, versions, "..2026_02")
	update("..2026_03")
	expect(t, versions, "..2026_03")
	write(t, path, "in place")
	expect(t, versions, "in place")
}

func TestWatchFollowsLinksAnywhere(t *testing.T) {
	here, there, elsewhere := tempDir(t), tempDir(t), tempDir(t)
	path := filepath.Join(here, "links.yaml")
	write(t, filepath.Join(there, "a.yaml"), "one")
	write(t, filepath.Join(elsewhere, "b.yaml"), "two")
	must(t, os.Symlink(filepath.Join(there, "a.yaml"), path))
	versions := start(t, path, never, "one")
	write(t, filepath.Join(there, "a.yaml"), "one more")
	expect(t, versions, "one more")
	swap(t, filepath.Join(elsewhere, "b.yaml"), path)
	expect(t, versions, "two")
	swap(t, "links.yaml", path) // to itself
	await(t, versions, func(v Version) bool { return errors.Is(v.Err, unix.ELOOP) }, "too many links")
	swap(t, filepath.Join(there, "a.yaml"), path)
	expect(t, versions, "one more")
}

func TestWatchTakesRelativePathsAsTheKernelDoes(t *testing.T) {
	work, elsewhere := tempDir(t), tempDir(t)
	t.Chdir(work)
	must(t, os.Mkdir(filepath.Join(elsewhere, "sub"), 0o700))
	must(t, os.Symlink(filepath.Join(elsewhere, "sub"), "sub"))
	path := "./sub/../links.yaml" // of elsewhere: the link comes first
	write(t, path, "one")
	versions := start(t, path, never, "one")
	t.Chdir(elsewhere)
	write(t, filepath.Join(elsewhere, "links.yaml"), "two")
	expect(t, versions, "two")
}

// A write through another name makes no event in the watched directory.
func TestWatchPollsWhereEventsAreMissing(t *testing.T) {
	path := filepath.Join(tempDir(t), "links.yaml")
	other := filepath.Join(tempDir(t), "other.yaml")
	write(t, path, "one")
	must(t, os.Link(path, other))
	versions := start(t, path, time.Millisecond, "one")
	write(t, other, "two")
	expect(t, versions, "two")
}

func TestReadWantsAFile(t *testing.T) {
	dir := tempDir(t)
	if _, err := Read(t.Context(), File{Path: filepath.Join(dir, "links.yaml")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: got %v", err)
	}
	if _, err := Read(t.Context(), File{Path: dir}); err == nil || !strings.HasSuffix(err.Error(), dir+" is not a regular file") {
		t.Errorf("a directory: got %v", err)
	}
	pipe := filepath.Join(dir, "pipe")
	must(t, unix.Mkfifo(pipe, 0o600))
	if _, err := Read(t.Context(), File{Path: pipe}); err == nil || !strings.HasSuffix(err.Error(), pipe+" is not a regular file") {
		t.Errorf("a named pipe: got %v", err)
	}
}

func TestReadIsBounded(t *testing.T) {
	path := filepath.Join(tempDir(t), "links.yaml")
	write(t, path, "")
	must(t, os.Truncate(path, 1<<40))
	data, err := Read(t.Context(), File{Path: path})
	if err != nil || len(data) != MaxSize+1 {
		t.Errorf("got %d bytes, %v, want %d", len(data), err, MaxSize+1)
	}
}

// The channel is closed when all else is gone: descriptors and goroutines.
func TestWatchLeavesNothingBehind(t *testing.T) {
	path := filepath.Join(tempDir(t), "links.yaml")
	write(t, path, "one")
	goroutines, descriptors := runtime.NumGoroutine(), countDescriptors(t)
	for range 20 {
		ctx, cancel := context.WithCancel(t.Context())
		w, err := openVersions(ctx, File{Path: path}, never)
		must(t, err)
		write(t, path, "two") // an event on its way
		cancel()
		for range w.box {
		}
	}
	for runtime.NumGoroutine() > goroutines { // the closing ones are on their last instruction
		runtime.Gosched()
	}
	if now := countDescriptors(t); now != descriptors {
		t.Errorf("%d descriptors, %d before", now, descriptors)
	}
}

func countDescriptors(t *testing.T) int {
	t.Helper()
	open, err := os.ReadDir("/proc/self/fd")
	must(t, err)
	return len(open)
}

// desk is a reading of versions in a bubble: its file, its events and its time are the
// test's.
type desk struct {
	content string
	looks   int // at content
	events  chan fsnotify.Event
	errors  chan error
	poll    chan time.Time
	box     <-chan Version
	again   chan<- struct{}
}

func newDesk(t *testing.T) *desk {
	d := &desk{
		content: "one",
		events:  make(chan fsnotify.Event),
		errors:  make(chan error),
		poll:    make(chan time.Time),
	}
	w := newVersions(Version{Data: []byte("one")}, func() Version {
		d.looks++
		return Version{Data: []byte(d.content)}
	})
	d.box, d.again = w.box, w.again
	go w.run(t.Context(), d.events, d.errors, d.poll)
	return d
}

// put changes the file and lets its event through.
func (d *desk) put(content string) {
	synctest.Wait() // nobody reads it just now
	d.content = content
	d.events <- fsnotify.Event{}
}

// after is what the box holds a while later, "" for nothing.
func (d *desk) after(pause time.Duration) string {
	time.Sleep(pause)
	synctest.Wait()
	select {
	case v := <-d.box:
		return string(v.Data)
	default:
		return ""
	}
}

func TestWatchWaitsForAFileToSettle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.after(0)
		for _, part := range []string{"", "t", "tw", "two", "two\n", "two\nth"} {
			d.put(part)
			if got := d.after(quiet - 1); got != "" {
				t.Errorf("%q while it is written", got)
			}
		}
		if got := d.after(3 * quiet); got != "two\nth" {
			t.Errorf("got %q after a pause", got)
		}
		d.put("two\nthree")
		if got := d.after(3 * quiet); got != "two\nthree" {
			t.Errorf("got %q after the rest", got)
		}
	})
}

func TestWatchDeliversTheLatestOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.put("two")
		time.Sleep(3 * quiet)
		d.put("three")
		if got := d.after(3 * quiet); got != "three" {
			t.Errorf("got %q, want the latest", got)
		}
		d.put("")
		d.put("three")
		if got := d.after(3 * quiet); got != "" {
			t.Errorf("got %q once more", got)
		}
	})
}

// TestWatchDeliversWhatIsWanted once more, if it is the same.
func TestWatchDeliversWhatIsWanted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.after(0)
		d.again <- struct{}{}
		if got := d.after(3 * quiet); got != "one" {
			t.Errorf("got %q, want what it was", got)
		}
		d.put("one")
		if got := d.after(3 * quiet); got != "" {
			t.Errorf("got %q without a wish", got)
		}
	})
}

func TestWatchLooksAfterLostEventsAndNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDesk(t)
		d.content = "two"
		d.errors <- fsnotify.ErrEventOverflow
		if got := d.after(3 * quiet); got != "two" {
			t.Errorf("got %q after lost events", got)
		}
		d.content = "three"
		d.poll <- time.Now()
		if got := d.after(3 * quiet); got != "three" {
			t.Errorf("got %q on polling", got)
		}
		looks := d.looks
		d.after(time.Hour)
		if d.looks != looks {
			t.Errorf("%d looks without a reason", d.looks-looks)
		}
	})
}
