package packets

import "errors"

// VerifyPackets has the kernel accept the packet program for XDP and tc.
func VerifyPackets() (string, error) {
	p, err := New(Options{MaxConnections: 64})
	if err != nil {
		return "", err
	}
	for _, name := range []string{p.entries.xdp, p.entries.tc, p.entries.tcSend} {
		_, loadErr := p.program(name)
		err = errors.Join(err, loadErr)
	}
	if err := errors.Join(err, p.Close()); err != nil {
		return "", err
	}
	return "accepted by the verifier", nil
}

// VerifyTracepoints attaches the packet program to the tracepoints for a moment, for no
// interface.
func VerifyTracepoints() (string, error) {
	p, err := New(Options{MaxConnections: 64})
	if err != nil {
		return "", err
	}
	if err := errors.Join(p.trace(), p.Close()); err != nil {
		return "", err
	}
	return "attached", nil
}
