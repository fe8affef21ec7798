package keeper

import (
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// open returns a Keeper, and whatever Serve returned.
func open(t *testing.T) (k *Keeper, socket *os.File, served chan error) {
	t.Helper()
	k, socket, err := New()
	if err != nil {
		t.Fatal(err)
	}
	served = make(chan error, 1)
	go func() {
		err := Serve(socket, new(crossconnect.PinKeeper))
		socket.Close()
		served <- err
	}()
	return k, socket, served
}

// TestServe asks for what cannot be: the answer says so, and the next one is asked all the
// same.
func TestServe(t *testing.T) {
	k, _, served := open(t)
	for range 2 {
		_, err := k.CarryOut(crossconnect.PinRequest{Do: "remove", Path: "/sys/fs/bpf/ebpftop/../other"}, noDescriptor)
		if !errors.Is(err, unix.EPERM) || !strings.Contains(err.Error(), "not for this process to ask") {
			t.Error(err)
		}
	}
	if err := errors.Join(k.Close(), <-served); err != nil {
		t.Error(err)
	}
}

// TestGone asks when nobody is left: nothing is known then, and nobody is waited for.
func TestGone(t *testing.T) {
	k, server, err := New()
	if err != nil {
		t.Fatal(err)
	}
	server.Close()
	for range 2 {
		_, err := k.CarryOut(crossconnect.PinRequest{Do: "exist", Path: crossconnect.PinRoot}, noDescriptor)
		if !errors.Is(err, crossconnect.ErrUnknown) || !strings.Contains(err.Error(), "start ebpftop again") {
			t.Error(err)
		}
	}
}

// TestKilled makes a request again whose process was killed, unless it may have been carried
// out.
func TestKilled(t *testing.T) {
	for _, test := range []struct {
		do    crossconnect.PinAction
		times int
	}{{"exist", mostAttempts}, {"pin", 1}} {
		k, server, err := New()
		if err != nil {
			t.Fatal(err)
		}
		for range test.times {
			if err := WriteKilled(server); err != nil {
				t.Fatal(err)
			}
		}
		_, err = k.CarryOut(crossconnect.PinRequest{Do: test.do, Path: crossconnect.PinRoot}, noDescriptor)
		if !errors.Is(err, errKilled) || int(k.last) != test.times {
			t.Errorf("%s was asked for %d times, want %d: %v", test.do, k.last, test.times, err)
		}
		server.Close()
	}
}
