package crossconnect

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

var pinActions = []PinAction{pinsExist, pinsMake, pinsCheck, pinsList, pinsRemove, pinsLock, pinPin, pinOpen, pinOpenRead, pinDrop, pinRename}

// TestPinPath: what another process asks for stays below the directory of its own network
// namespace.
func TestPinPath(t *testing.T) {
	k := &PinKeeper{here: pinRoot + "/net-1"}
	for _, path := range []string{
		"", "/", "ebpftop", bpffs, bpffs + "/other", pinRoot + "/", pinRoot + "x", pinRoot + "/..", pinRoot + "/../other",
		pinRoot + "/net-1/..", pinRoot + "/net-1/../../other", pinRoot + "/net-1/.", pinRoot + "/net-1//a", pinRoot + "/net-1/a/b/c",
		pinRoot + "/net-1\x00", pinRoot + "/net-1\n", pinRoot + "/net-1/a\x00b", pinRoot + "/net-1/\xff", "/tmp/" + pinRoot,
		pinRoot + "/net-2", pinRoot + "/net-2/ingress-0", pinRoot + "/net-2/control", pinRoot + "/net-2/namespace", pinRoot + "/net-1x",
	} {
		for _, do := range pinActions {
			if result, err := k.CarryOut(PinRequest{Do: do, Path: path}, noDescriptor); !errors.Is(err, unix.EPERM) || result.Descriptor != noDescriptor {
				t.Errorf("%s of %q: %+v, %v", do, path, result, err)
			}
		}
	}
	for _, do := range []PinAction{pinsCheck, pinsRemove, pinPin, pinOpen, pinOpenRead, pinDrop, pinRename} {
		if k.allows(PinRequest{Do: do, Path: pinRoot}) {
			t.Errorf("%s of the directory of all", do)
		}
	}
	if !k.allows(PinRequest{Do: pinsSweep, Path: pinRoot + "/net-2"}) || k.allows(PinRequest{Do: pinsSweep, Path: pinRoot + "/net-2/control"}) {
		t.Error("another network namespace's directory, and it alone, is removed if that is gone")
	}
	for _, path := range []string{pinRoot + "/net-1", pinRoot + "/net-1/ingress-10/link-xdp-generic", pinRoot + "/net-1/control"} {
		for _, do := range pinActions {
			if !k.allows(PinRequest{Do: do, Path: path}) {
				t.Errorf("%s of %q is refused", do, path)
			}
		}
	}
}

// TestPinAction: nothing else can be asked for.
func TestPinAction(t *testing.T) {
	k := &PinKeeper{here: pinRoot + "/net-1"}
	if _, err := k.CarryOut(PinRequest{Do: "chmod", Path: string(k.here)}, noDescriptor); !errors.Is(err, unix.EINVAL) {
		t.Error(err)
	}
}

// TestPinWatch remembers that a directory is not there until one is made.
func TestPinWatch(t *testing.T) {
	dir := t.TempDir()
	missing := pins(filepath.Join(dir, "net-1"))
	var w pinWatch
	if w.note(missing, true); w.isKnown(missing) {
		t.Error("it knows what it does not watch")
	}
	w.watch(dir)
	w.note(missing, true)
	for range 2 {
		if !w.isKnown(missing) || w.isKnown(pins(dir)) {
			t.Error("it does not remember what it was told, or more")
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "net-2"), 0o700); err != nil {
		t.Fatal(err)
	}
	if !w.isKnown(missing) {
		t.Error("another directory is made, and it forgets")
	}
	if err := os.Mkdir(string(missing), 0o700); err != nil {
		t.Fatal(err)
	}
	if w.isKnown(missing) {
		t.Error("a directory is made, and it does not notice")
	}
	if w.note(missing, false); w.isKnown(missing) {
		t.Error("a directory that is there is missing")
	}
	w.note(missing, true)
	if w.forget(); w.isKnown(missing) {
		t.Error("it does not forget")
	}
	w.note(missing, true)
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if w.isKnown(missing) || w.inotify != 0 {
		t.Error("it watches a directory that is gone")
	}
	if w.note(missing, true); w.isKnown(missing) {
		t.Error("it remembers what it cannot watch")
	}
}
