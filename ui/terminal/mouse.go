package terminal

import (
	"bytes"
	"time"
)

// What has the terminal report clicks and the wheel, with coordinates as numbers (SGR), and no
// motion. Terminals without a mouse do nothing at these.
const (
	mouseOn  = "\x1b[?1000h\x1b[?1006h"
	mouseOff = "\x1b[?1006l\x1b[?1000l"
)

// SetMouse has the terminal report the mouse, or not any more so that text can be selected, from
// the next Enter on. Screen.SetMouse does so at once.
func (t *Terminal) SetMouse(on bool) { t.mouse.Store(on) }

// mouseMode is what Enter says of the mouse.
func mouseMode(on bool) string {
	if on {
		return mouseOn
	}
	return ""
}

// reportReader holds back the part of a mouse report of which the rest has not arrived: over a
// slow line that can take longer than an Esc waits, and the rest would be keys.
type reportReader struct {
	cancelReader
	held   []byte    // the part
	sent   int       // so many bytes of it were handed on: an Esc can be a key
	passed time.Time // when that was
}

// Read returns nothing, and no error, if all that came is such a part.
func (r *reportReader) Read(p []byte) (int, error) {
	n, err := r.cancelReader.Read(p[:len(p)-longestPart])
	if n == 0 {
		return 0, err
	}
	all := append(r.held, p[:n]...)
	whole := len(all) - partAtEnd(all)
	if whole == 0 {
		r.held = all
		return 0, err
	}
	out := all[:whole]
	// What an Esc began that had waited for too long is handed on again, with the rest.
	if r.sent > 0 && (time.Since(r.passed) < escapeTime || !isReport(out)) {
		out = out[r.sent:]
	}
	n = copy(p, out)
	if r.sent = 0; whole == len(all) {
		if r.sent = startAtEnd(all); r.sent > 0 {
			r.passed, whole = time.Now(), len(all)-r.sent
		}
	}
	r.held = bytes.Clone(all[whole:])
	return n, err
}

const (
	reportStart = "\x1b[<"
	longestPart = 24 // bytes; what is longer is no report
)

// startAtEnd is how many bytes at the end can be the start of a report, or keys.
func startAtEnd(text []byte) int {
	for n := len(reportStart) - 1; n > 0; n-- {
		if bytes.HasSuffix(text, []byte(reportStart[:n])) {
			return n
		}
	}
	return 0
}

// partAtEnd is how many bytes at the end are a report without its own end.
func partAtEnd(text []byte) int {
	at := bytes.LastIndex(text, []byte(reportStart))
	if at < 0 || len(text)-at >= longestPart || len(afterNumbers(text[at:])) > 0 {
		return 0
	}
	return len(text) - at
}

// isReport tells whether text begins with a report.
func isReport(text []byte) bool {
	if !bytes.HasPrefix(text, []byte(reportStart)) {
		return false
	}
	rest := afterNumbers(text)
	return len(rest) > 0 && (rest[0] == 'M' || rest[0] == 'm')
}

// afterNumbers is what follows the numbers of a report.
func afterNumbers(report []byte) []byte {
	return bytes.TrimLeft(report[len(reportStart):], "0123456789;")
}
