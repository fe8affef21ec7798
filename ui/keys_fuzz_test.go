package ui

import (
	"strings"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// mark is in every sequence that tests send, and in none of ours.
const mark = "4242"

// longPaste comes in one piece, or it would take a while.
var longPaste = "/\x1b[200~" + strings.Repeat("paste", 20_000) + "\x1b[201~"

// FuzzKeys has a terminal send what it likes, keys or answers to queries: the
// screen stays as it should be, nothing of it comes back as a sequence, and
// ebpftop can be left.
func FuzzKeys(f *testing.F) {
	for _, seed := range []string{
		"a\r\t/\x1b[200~\x1b[" + mark + ";31m\xff\x00\u202e\u009b" + mark + "m\nx\x1b[201~\r",
		longPaste,
		"\x1b[200~without an end",
		"\x1b]11;rgb:zzzz/" + mark + "\x07\x1b]52;c;" + strings.Repeat("A", 5000) + "\x1b\\",
		"\x1b[?" + mark + ";999999999999999999999c\x1b[>0;" + mark + "c\x1b[" + mark + ";" + mark + "R",
		"\x1bP>|" + mark + "\x1b[2J\x1b\\\x1bP1+r524742=zz\x1b\\\x1b_Gi=" + mark + "\x1b\\",
		"\x1b[<0;" + mark + ";99999999M\x1b[M\xff\xff\xff\x1b[M",
		"\x1b[" + mark + "u\x1b[97;1:99u\x1b[99999999999;5:3u\x1b[?" + mark + "u\x1b[27;5;1114112~",
		"\x1b[8;0;0t\x1b[48;" + mark + ";0;0;0t\x1b[I\x1b[O\x1b[?2026;" + mark + "$y",
		"\x1b\x1b\x1b[[[[\x1bO\x1bOO\x9b\x90\x80\xc2\xe2\x80\xf0\x9f",
		"?/\u202e\U000e0041e\u0301\u0301\u0301\u0301\u0301\u0301\r",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, sent []byte) {
		if len(sent) > 4096 && string(sent) != longPaste {
			t.Skip("so many keys take their time, and no more ways than a few")
		}
		u := start(t, 80, 24)
		u.feed(fake.Sample(0))
		if _, err := u.PTMX.Write(sent); err != nil {
			t.Fatal(err)
		}
		u.press("\x1b[201~") // should a paste have begun
		u.settle()
		for line := range strings.Lines(u.screen()) {
			if bad := fake.Foreign(strings.TrimSuffix(line, "\n"), false); bad != "" {
				t.Errorf("%s in %q", bad, line)
			}
		}
		u.cancel()
		if err := u.result(); err != nil {
			t.Errorf("ended by %v", err)
		}
		if out := u.output(); strings.Contains(out, "\x1b["+mark) {
			t.Errorf("came back: %q", out)
		}
	})
}

// settle waits until nothing more is written: nobody can tell what some keys do.
func (u *terminalUnderTest) settle() {
	for {
		_, _, changed := u.See()
		select {
		case <-changed:
		case <-time.After(100 * time.Millisecond):
			return
		}
	}
}
