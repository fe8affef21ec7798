package probes

import (
	"errors"
	"fmt"
	"strings"
)

const (
	// maxNameBytes is the kernel's IFNAMSIZ without the final zero.
	maxNameBytes = 15
	// notInNames are bytes that no name has. The kernel's isspace() takes 0xa0 for a
	// blank, and sees bytes, not characters.
	notInNames = "/: \t\n\v\f\r\xa0"
)

// CheckInterfaceName returns nil if the kernel lets an interface have the name, else an
// error that says what is wrong with it. The rule is dev_valid_name() in net/core/dev.c.
func CheckInterfaceName(name string) error {
	switch {
	case name == "":
		return errors.New("an interface name is empty: fill it in")
	case len(name) > maxNameBytes:
		return fmt.Errorf("bad interface name %.40q: use at most %d bytes", name, maxNameBytes)
	case name == "." || name == ".." || hasAnyByte(name, notInNames+"\x00"):
		return fmt.Errorf("bad interface name %q: use no blanks, slashes or colons, nor . or .. alone", name)
	}
	return nil
}

func hasAnyByte(s, bytes string) bool {
	for i := range len(s) {
		if strings.IndexByte(bytes, s[i]) >= 0 {
			return true
		}
	}
	return false
}
