package crossconnect

import "github.com/ebpftop/ebpftop/probes"

// oneLine is an error whose text is one line, however many errors it joins.
type oneLine struct{ error }

func inOneLine(err error) error {
	if err == nil {
		return nil
	}
	return oneLine{err}
}

func (e oneLine) Error() string { return probes.OneLine(e.error) }

func (e oneLine) Unwrap() error { return e.error }
