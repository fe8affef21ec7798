package terminal

import (
	"strings"

	"github.com/charmbracelet/colorprofile"
)

// NeedsASCII reports whether the terminal is better off without UTF-8: the
// locale does not promise it, or it is the Linux console, whose fonts lack
// most of the characters bars and borders are drawn with.
func NeedsASCII(getenv func(string) string) bool {
	if getenv("TERM") == "linux" {
		return true
	}
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if locale := getenv(name); locale != "" {
			locale = strings.ToLower(locale)
			return !strings.Contains(locale, "utf-8") && !strings.Contains(locale, "utf8")
		}
	}
	return true
}

// environment is one as os.Environ has it.
type environment []string

// get looks a name up; the last of several counts.
func (e environment) get(name string) (value string) {
	for _, entry := range e {
		if v, ok := strings.CutPrefix(entry, name+"="); ok {
			value = v
		}
	}
	return value
}

// Color is whether to draw in colour.
type Color string

// The values of Color.
const (
	ColorAuto   Color = "auto" // as the environment says
	ColorAlways Color = "always"
	ColorNever  Color = "never"
)

// Profile is which colours the terminal has, or is to have. The library only knows
// NO_COLOR=1 and the like; any value counts. What it would learn by Detect is not worth to
// run tmux and to read a file of $TERMINFO for, which in the environment of root may be
// anybody's.
func (t *Terminal) Profile() colorprofile.Profile {
	found := colorprofile.Env(t.environ)
	switch {
	case t.color == ColorNever, t.color != ColorAlways && t.environ.get("NO_COLOR") != "":
		return colorprofile.ASCII
	case t.color == ColorAlways:
		return max(found, colorprofile.ANSI)
	}
	return found
}
