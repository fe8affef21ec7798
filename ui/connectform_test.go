package ui

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// The shortest way to a pair, and what each step says.
func TestFormApplies(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.waitForText("press a to add")
	u.wire("eth1", "eth2")
	u.waitForText("1 address becomes unreachable: 192.0.2.3/24")
	u.waitForText("eth1 1500, eth2 9000: longer frames from eth2 are dropped")
	f.asked(t)
	u.press(enter)
	f.asked(t, "apply +eth1/eth2 auto auto wait=false keep=false trial=0s")
	u.waitForNoText("step 2 of 2")
	u.waitForText("u undo")
	u.waitForFocus("Cross-connects")
}

func TestFormFields(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.press("a", "eth1", tab, "eth2", tab)
	u.waitForText("Every frame that enters eth1 leaves by eth2, and the other way round.")
	u.press(right, tab, left, tab, " ", tab, right, right)
	u.waitForText("[xdp]")
	u.waitForText("[tc]")
	u.waitForText("[keep]")
	u.waitForText("[30s]")
	u.waitForText("After 30s the pairs before come back")
	u.press(enter)
	u.waitForText("the pair stays")
	u.waitForText("after 30s the pairs before come back")
	u.press(enter)
	f.asked(t, "apply +eth1/eth2 xdp tc wait=false keep=true trial=30s")
	u.waitForText("trial: 30 s left, c confirms, u takes back") // before a sample says so
}

func TestFormReflector(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.press("a", "br0", enter, "br0")
	u.waitForText("again: a reflector")
	u.press(enter)
	u.waitForText("br0 is a reflector: it sends back every frame it receives.")
	u.press(enter)
	u.waitForText(`is a port of vrf\x1b7, which gets nothing from it any more`)
	u.press(enter)
	f.asked(t, "apply +br0/br0 auto auto wait=false keep=false trial=0s")
}

// A name that nobody has can be waited for, if an interface may be called so.
func TestFormWaits(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.press("a", "a/b")
	u.waitForText("no interface matches")
	u.press(enter)
	u.waitForText("no interface is called so, and none can be")
	u.press("\x7f", "\x7f", "\x7f", "usb0")
	u.waitForText("waits for usb0")
	u.press(enter, "eth1", enter)
	u.waitForText("usb0  does not exist: the pair waits for it")
	u.press(enter)
	u.waitForText("Connect usb0 <-> eth1")
	u.press(enter)
	f.asked(t, "apply +usb0/eth1 auto auto wait=true keep=false trial=0s")
}

// Nothing is chosen for the user.
func TestFormIncomplete(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.press("a", tab, "eth2", enter, enter)
	u.waitForText("choose two interfaces, or one twice for a reflector")
	u.press("x")
	u.waitForNoText("choose two interfaces")
	u.waitForText("step 1 of 2")
	f.asked(t)
}

// An interface is in one pair at most, also in one that another process has.
func TestFormTaken(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, lasting)
	for _, c := range []struct{ name, pair string }{{"eth3", "eth3 <-> eth4"}, {"usb0", "eth7 <-> usb0"}, {"tap1", "tap0 <-> tap1"}} {
		u.press("a", c.name)
		u.waitForText("/ " + c.name)
		u.press(enter)
		u.waitForText(" " + c.name + " is in " + c.pair)
		u.waitForText("/ " + c.name)
		u.press(escape)
		u.waitForNoText("step 1 of 2")
	}
	f.asked(t)
}

// The rates beside the names are those of now.
func TestFormLive(t *testing.T) {
	u, _ := startWithEditor(t, 80, 24, none)
	u.press("a", "eth0")
	u.waitForText("871 M   19.4 M")
	s := fake.Sample(42)
	s.Interfaces[0].RXBPS, s.Interfaces[0].TXBPS = 123e6, 456e6
	u.feed(s)
	u.waitForText("123 M    456 M")
	u.press(enter)
	u.waitForText("interface A  ● eth0                123 M    456 M")
	s = fake.Sample(43)
	s.Interfaces = s.Interfaces[1:]
	u.feed(s)
	u.waitForText("eth0  does not exist: the pair waits for it")
}

func TestFormEscapes(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.wire("eth1", "eth2")
	u.press(escape)
	u.waitForText("step 1 of 2")
	u.waitForText("interface A  ● eth1")
	u.press(escape)
	u.waitForNoText("step 1 of 2")
	u.press("q")
	if err := u.result(); err != nil {
		t.Fatal(err)
	}
	f.asked(t)
}

// An answer that nobody waits for any more changes nothing.
func TestFormEscapesCheck(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	release := f.block()
	u.press("a", "eth1", enter, "eth2", enter, enter)
	u.waitForText("checking ...")
	u.press(escape)
	u.waitForNoText("checking ...")
	release()
	u.press(escape)
	u.waitForNoText("step 1 of 2")
	u.press("a")
	u.waitForText("step 1 of 2")
	f.asked(t)
}

// Over the user's own session nothing goes without the name, nor for good.
func TestFormSession(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.wire("eth1", "eth0")
	u.waitForText("CARRIES YOUR SSH SESSION")
	u.waitForText("after 30s the pairs before come back, unless you press c")
	const warning = "your own session runs over eth0: type its name to go on"
	for _, name := range []string{"", "eth", "1"} { // makes eth1, the other one
		u.press(name + enter)
		u.waitForText(warning)
		u.press(left)
		u.waitForNoText(warning)
		u.press("\x1b[F") // to the end again
	}
	f.asked(t)
	u.press("\x7f", "0", enter)
	f.asked(t, "apply +eth1/eth0 auto auto wait=false keep=false trial=30s")
	u.waitForText("trial: 30 s left, c confirms, u takes back")
}

func TestFormEdit(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, lasting)
	u.press("5", down, down, "e")
	u.waitForText("Edit eth5 <-> eth6")
	u.waitForText("[keep]")
	u.press("eth5", enter) // its own is not taken
	u.waitForText("now eth6")
	u.press(tab, right, enter)
	u.waitForText("the pair stays")
	u.press(enter)
	f.asked(t, "apply -eth5/eth6 auto auto +eth5/eth6 xdp auto wait=true keep=true trial=0s")
}

func TestFormEditFile(t *testing.T) {
	u, _ := startWithEditor(t, 80, 24, lasting)
	u.press("5", "e")
	u.waitForText("Edit dummy0 <-> dummy0")
	u.press(tab, tab, enter)
	u.waitForText("does not change: what it says comes back when it is read again")
}

// While a change is under way, no key starts it again.
func TestFormOnce(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.wire("eth1", "eth2")
	release := f.block()
	u.press(enter, enter)
	u.waitForText("applying ...")
	u.press(escape)
	time.Sleep(100 * time.Millisecond)
	u.press(enter)
	s := fake.Sample(42)
	u.feed(s) // the screen lives on
	u.waitForText("applying ...")
	release()
	u.waitForNoText("step 2 of 2")
	u.press("?")
	u.waitForText("edit the pair")
	f.asked(t, "apply +eth1/eth2 auto auto wait=false keep=false trial=0s")
}

// What goes wrong is one line, until the next key; the form stays as it is.
func TestFormFails(t *testing.T) {
	u, f := startWithEditor(t, 80, 24, none)
	u.wire("eth1", "eth2")
	f.fail(errors.Join(errors.New("eth1: no\x1b[2J"), errors.New("nor eth2")))
	u.press(enter)
	u.waitForText(`eth1: no\x1b[2J; nor eth2`)
	u.press("x")
	u.waitForNoText("nor eth2")
	u.waitForText("step 2 of 2")
	f.fail(nil)
	u.press(enter)
	u.waitForNoText("step 2 of 2")
	want := "apply +eth1/eth2 auto auto wait=false keep=false trial=0s"
	f.asked(t, want, want)
}

// A pasted name is typed where one is asked for.
func TestFormPaste(t *testing.T) {
	u, _ := startWithEditor(t, 80, 24, none)
	u.press("a", "\x1b[200~eth1\n\x1b[201~")
	u.waitForText("/ eth1")
	u.press(enter, "eth0", enter, enter)
	u.waitForText("CARRIES")
	u.press("\x1b[200~eth0\x1b[201~")
	u.waitForText("apply this: eth0")
}

func TestFormASCII(t *testing.T) {
	u, _ := startWithEditor(t, 80, 24, lasting, withASCII)
	u.press("5", "z", "z", "d")
	u.waitForText("Remove dummy0 <-> dummy0?")
	u.press("n")
	u.waitForNoText("Remove dummy0")
	u.wire("wg0", "eth0")
	u.press("größe")
	u.waitForText("apply this: gre")
	if i := strings.IndexFunc(u.output(), func(r rune) bool { return r > 0x7e }); i >= 0 {
		t.Errorf("sent to an ASCII terminal: %q", u.output()[i:i+10])
	}
}
