package ui

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// TestSave saves what is seen, and the sample that it is of.
func TestSave(t *testing.T) {
	type saved struct {
		screen string
		sample *probes.Sample
	}
	got := make(chan saved)
	results := make(chan error)
	u := start(t, 80, 24, func(o *Options) {
		o.Save = func(screen string, sample *probes.Sample) (string, error) {
			got <- saved{screen, sample}
			err := <-results
			if errors.Is(err, errDenied) {
				return "", err
			}
			return "/home/ada/ebpftop-20260314-150930.txt", err
		}
	})
	u.press("w")
	u.waitForText("not saved: there is no sample yet")
	u.feed(livelySamples(9)...)
	u.press(" ")
	u.waitForText("space now")
	screen := u.screen()
	u.source.Send(fake.Sample(20)) // is not what is seen
	u.press("w")
	s := <-got
	if s.screen != screen+"\n" {
		t.Errorf("saved another screen:\n%s\nwant\n%s", s.screen, screen)
	}
	if want := fake.Sample(8).Time; !s.sample.Time.Equal(want) {
		t.Errorf("the sample is of %v, want %v", s.sample.Time, want)
	}
	u.waitForText("saving ...")
	u.press("w")
	u.waitForText("the last screen is still being written")
	results <- nil
	u.waitForText("saved to /home/ada/ebpftop-20260314-150930.txt")
	for want, err := range map[string]error{
		"not saved: permission denied":   errDenied,
		"is not complete: no space left": errors.New("no space left"),
	} {
		u.press("w")
		<-got
		results <- err
		u.waitForText(want)
	}
	u.press("j") // any key
	u.waitForNoText("no space left")
}

var errDenied = errors.New("permission denied")

// TestCopy gives rows to the terminal, whole, with nothing in them that it obeys.
func TestCopy(t *testing.T) {
	u := start(t, 80, 24)
	u.press("3", "y")
	u.waitForText("not copied: no row is selected")
	u.feed(livelySamples(9)...)
	hostile := "tcp\t\\x1b[31m\\u202ered 4100\t192.0.2.2:443\t198.51.100.231:55848"
	u.press("/", "198.51.100.231", "\r")
	u.waitForText("1 of 61 ·")
	u.press("y")
	u.waitForText("row given to the terminal to copy")
	if text := u.lastCopied(); !strings.HasPrefix(text, hostile) {
		t.Errorf("copied %q, want %q and more", text, hostile)
	}
	u.press("Y")
	u.waitForText("row as JSON given to the terminal to copy")
	text := u.lastCopied()
	var c struct {
		Remote string
		Owner  struct{ Comm string }
	}
	if err := json.Unmarshal([]byte(text), &c); err != nil || c.Remote != "198.51.100.231:55848" || c.Owner.Comm != "\x1b[31m\u202ered" {
		t.Errorf("copied %s: %v, %+v", text, err, c)
	}
	if i := strings.IndexFunc(text, func(r rune) bool { return r < ' ' || r > '~' }); i >= 0 {
		t.Errorf("byte %d of what was copied is not printable ASCII: %q", i, text)
	}
	for pane, want := range map[string]string{"1": `"ifindex":`, "2": `"rx_pps":`, "4": `"filename":`, "6": `"reason":`} {
		u.press(pane, "Y")
		u.waitForText("row as JSON given")
		u.waitFor("a copied row", func(string) bool { return strings.Contains(u.lastCopied(), want) })
	}
	u.press("5", "y")
	u.waitForText("not copied: no row is selected")
}

// lastCopied is what the terminal was given last to copy.
func (u *terminalUnderTest) lastCopied() string {
	u.t.Helper()
	out := u.output()
	_, text, _ := strings.Cut(out[max(0, strings.LastIndex(out, "\x1b]52;c;")):], "\x1b]52;c;")
	text, _, _ = strings.Cut(text, "\a")
	plain, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		u.t.Errorf("%q: %v", text, err)
	}
	return string(plain)
}
