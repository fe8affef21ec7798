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

// Profile returns the colours that the terminal has. The library only knows NO_COLOR=1
// and the like; here, any value counts. Detect would learn more, by running tmux and
// reading a file of $TERMINFO; in root's environment, these may be anybody's.
func (t *Terminal) Profile() colorprofile.Profile {
	if t.environ.get("NO_COLOR") != "" {
		return colorprofile.ASCII
	}
	return colorprofile.Env(t.environ)
}
