package terminal

import (
	"strings"
	"testing"

	"github.com/charmbracelet/colorprofile"
)

func TestNeedsASCII(t *testing.T) {
	for _, c := range []struct {
		env  string
		want bool
	}{
		{"", true},
		{"LANG=C", true},
		{"LANG=C.UTF-8", false},
		{"LANG=en_US.utf8", false},
		{"LANG=de_DE.ISO-8859-1", true},
		{"LANG=C LC_ALL=en_US.UTF-8", false},
		{"LANG=en_US.UTF-8 LC_ALL=C", true},
		{"LANG=en_US.UTF-8 LC_CTYPE=POSIX", true},
		{"LANG=C LC_CTYPE=C.UTF-8 LC_ALL=", false},
		{"LANG=C.UTF-8 TERM=linux", true},
	} {
		if got := NeedsASCII(environment(strings.Fields(c.env)).get); got != c.want {
			t.Errorf("%q: %v", c.env, got)
		}
	}
}

// TestProfile: what is asked for by name wins over the environment.
func TestProfile(t *testing.T) {
	for _, c := range []struct {
		env   string
		color Color
		want  colorprofile.Profile
	}{
		{"TERM=xterm-256color", "", colorprofile.ANSI256},
		{"TERM=xterm-256color", ColorNever, colorprofile.ASCII},
		{"TERM=xterm-256color NO_COLOR=x", ColorAuto, colorprofile.ASCII},
		{"TERM=xterm-256color NO_COLOR=1", ColorAlways, colorprofile.ANSI},
		{"TERM=vt100", ColorAlways, colorprofile.ANSI},
	} {
		terminal := Terminal{environ: strings.Fields(c.env), color: c.color}
		if got := terminal.Profile(); got != c.want {
			t.Errorf("%s, %q: %v, want %v", c.env, c.color, got, c.want)
		}
	}
}
