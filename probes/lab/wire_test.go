package lab_test

import (
	"bytes"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// quietWires are two wires at the ends of a quiet veth pair.
func quietWires(t *testing.T) (*lab.Wire, *lab.Wire) {
	t.Helper()
	a, b := labtest.Namespace(t), labtest.Namespace(t)
	if err := lab.QuietVeth(a, "left", b, "right"); err != nil {
		t.Fatal(err)
	}
	return openWire(t, a, "left"), openWire(t, b, "right")
}

func openWire(t *testing.T, n *lab.Namespace, iface string) *lab.Wire {
	t.Helper()
	w, err := n.Open(iface)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w
}

func frame(length int, ethertype ...byte) []byte {
	f := append([]byte{
		0x02, 0, 0, 0, 0, 2,
		0x02, 0, 0, 0, 0, 1,
	}, ethertype...)
	for len(f) < length {
		f = append(f, byte(len(f)))
	}
	return f
}

func TestWireByteForByte(t *testing.T) {
	labtest.RequireRoot(t)
	left, right := quietWires(t)
	frames := map[string][]byte{
		"LLDP":              frame(60, 0x88, 0xcc),
		"header alone":      frame(14, 0x88, 0xb5),
		"one byte":          frame(15, 0x88, 0xb5),
		"802.1Q":            frame(64, 0x81, 0, 0xa0, 100, 8, 6),
		"802.1AD":           frame(64, 0x88, 0xa8, 0, 10, 0x81, 0, 0, 20, 8, 6),
		"802.1Q with VID 0": frame(64, 0x81, 0, 0, 0, 8, 6),
		"802.3 length":      frame(60, 0, 46),
		"full MTU":          frame(1514, 8, 0),
		"full MTU and tag":  frame(1518, 0x81, 0, 0, 1, 8, 0),
	}
	for name, want := range frames {
		t.Run(name, func(t *testing.T) {
			if err := left.Send(want); err != nil {
				t.Fatal(err)
			}
			got, err := right.Receive(time.Now().Add(5 * time.Second))
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("received\n%x, want\n%x", got, want)
			}
		})
	}
}

func TestWireIsQuiet(t *testing.T) {
	labtest.RequireRoot(t)
	left, right := quietWires(t)
	const count = 50_000
	frames := make([][]byte, count)
	for i := range frames {
		frames[i] = frame(60, 0x88, 0xb5)
	}
	start := time.Now()
	if err := left.Send(frames...); err != nil {
		t.Fatal(err)
	}
	t.Logf("%.0f frames/s", count/time.Since(start).Seconds())
	for i := range count {
		if _, err := right.Receive(time.Now().Add(5 * time.Second)); err != nil {
			t.Fatalf("after %d of %d frames: %v", i, count, err)
		}
	}
	// More than the first second of an interface, when IPv6 would speak.
	if extra, err := right.Receive(time.Now().Add(1500 * time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a frame that nobody sent: %x (%v)", extra, err)
	}
	if echo, err := left.Receive(time.Now()); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the sender received %x (%v)", echo, err)
	}
}

func TestReceiveEndsWithClose(t *testing.T) {
	labtest.RequireRoot(t)
	_, right := quietWires(t)
	result := make(chan error)
	go func() {
		_, err := right.Receive(time.Time{})
		result <- err
	}()
	right.Close()
	if err := <-result; !errors.Is(err, os.ErrClosed) {
		t.Errorf("Receive on a closed wire: %v, want %v", err, os.ErrClosed)
	}
}
