package crossconnect

import (
	"errors"
	"fmt"
	"os"
)

// CheckKept returns an error if this process may not look at the pairs that are kept, and so
// not change them either: their pins are root's alone.
func CheckKept() error {
	_, err := os.Stat(pins(pinRoot).path("any"))
	if errors.Is(err, os.ErrPermission) {
		return fmt.Errorf("kept pairs are root's, in %s: run it as root", pinRoot)
	}
	return nil
}
