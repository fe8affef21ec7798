package terminal

import (
	"strings"
	"testing"
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
