package terminal

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"plain text":     "plain text",
		"größe":          "größe",
		"バックアップ":         "バックアップ",
		"e\u0301":        "e\u0301",
		"\x1b[2J":        `\x1b[2J`,
		"a\nb\tc\rd":     `a\nb\tc\rd`,
		"\x00\x7f":       `\x00\x7f`,
		"\u009b31m":      `\u009b31m`,
		"\x9b31m\xff":    `\x9b31m\xff`,
		"\u202egnp.exe":  `\u202egnp.exe`,
		"a\u200bb\ufeff": `a\u200bb\ufeff`,
		"\U000e0041":     `\U000e0041`,
		"👍🏽":             `👍\U0001f3fd`,
		"\u0301":         `\u0301`,
	} {
		if got := (Escaper{}).Text(in); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	if got := (Escaper{ASCII: true}).Text("größe 👍"); got != `gr\u00f6\u00dfe \U0001f44d` {
		t.Errorf("ASCII: %s", got)
	}
}

func TestCommand(t *testing.T) {
	e := Escaper{}
	for _, c := range []struct {
		file      string
		args      []string
		truncated bool
		want      string
	}{
		{"/bin/true", nil, false, "/bin/true"},
		{"/bin/sh", []string{"sh", "-c", "echo 'a b'"}, false, `sh -c 'echo '\''a b'\'''`},
		{"/bin/x", []string{"x", "", "\x1b"}, true, `x '' \x1b ...`},
	} {
		if got := e.Command(c.file, c.args, c.truncated, 1000); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
	long := e.Command("", []string{strings.Repeat("a", 1<<20), strings.Repeat("b", 1<<20)}, false, 100)
	if len(long) > 110 {
		t.Errorf("%d bytes of a long command", len(long))
	}
}

// Nothing that comes from outside may reach the terminal as anything but
// visible text, and everyone must agree how wide it is.
func FuzzEscape(f *testing.F) {
	for _, piece := range fake.WildTexts {
		f.Add(piece)
	}
	f.Fuzz(func(t *testing.T, in string) {
		for _, ascii := range []bool{false, true} {
			out := Escaper{ASCII: ascii}.Text(in)
			if !utf8.ValidString(out) || strings.ContainsRune(out, 0x1b) {
				t.Fatalf("%q became %q", in, out)
			}
			if bad := fake.Foreign(out, ascii); bad != "" && bad != `'�'` {
				t.Fatalf("%q became %q, with %s", in, out, bad)
			}
			if ansi.StringWidth(out) != ansi.StringWidthWc(out) {
				t.Fatalf("%q became %q: %d or %d cells", in, out, ansi.StringWidth(out), ansi.StringWidthWc(out))
			}
		}
	})
}
