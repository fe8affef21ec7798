package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What is done with pins takes root. A process that gave that up has another one do it, by
// requests.

// PinRequest is something to do in bpffs, in the directory that kept pairs are pinned below.
type PinRequest struct {
	Do   PinAction
	Path string
}

// PinAction is what to do with the path of a PinRequest.
type PinAction string

// The actions. A path is that of a directory, or of the pin of a map or a link.
const (
	pinsExist   PinAction = "exist"
	pinsMake    PinAction = "make"   // with the directories above it
	pinsCheck   PinAction = "check"  // that nobody else could have put there what is found
	pinsList    PinAction = "list"   // its entries
	pinsRemove  PinAction = "remove" // with all that is in it
	pinsSweep   PinAction = "sweep"  // removes it if its network namespace is gone
	pinsLock    PinAction = "lock"   // opens it, for a lock on it
	pinPin      PinAction = "pin"    // the map or link of a descriptor
	pinOpen     PinAction = "open"
	pinOpenRead PinAction = "open-read" // a map, to be read only
	pinDrop     PinAction = "drop"
	pinRename   PinAction = "rename" // from newPin(path)
)

// IsRepeatable tells whether an action comes to the same if it was carried out before.
func (a PinAction) IsRepeatable() bool { return a != pinPin && a != pinRename }

// noDescriptor stands for none.
const noDescriptor = -1

// PinResult is what became of a PinRequest.
type PinResult struct {
	Names      []string // for a list
	Descriptor int      // of what was opened, else -1
}

// PinKeeper carries out the requests of another process in the same network namespace. It
// refuses what that process has no need of: whoever takes it over gains nothing but the pairs
// that are kept in the namespace.
type PinKeeper struct{ here pins }

// NewPinKeeper is for the network namespace of the calling thread.
func NewPinKeeper() (*PinKeeper, error) {
	here, err := keptPins()
	return &PinKeeper{here}, err
}

// CarryOut carries out a request.
func (k *PinKeeper) CarryOut(r PinRequest, descriptor int) (PinResult, error) {
	if !k.allows(r) {
		return PinResult{Descriptor: noDescriptor}, fmt.Errorf("%s %q is not for this process to ask: %w", r.Do, r.Path, unix.EPERM)
	}
	return carryOutPin(r, descriptor)
}

func (k *PinKeeper) allows(r PinRequest) bool {
	below, isBelow := strings.CutPrefix(r.Path, pinRoot+"/")
	if !isBelow { // where all network namespaces have their pins
		return r.Path == pinRoot && slices.Contains([]PinAction{pinsExist, pinsMake, pinsList, pinsLock}, r.Do)
	}
	names := strings.Split(below, "/")
	if len(names) > mostPinNames || slices.ContainsFunc(names, func(name string) bool { return !isPinName(name) }) {
		return false
	}
	place := pins(pinRoot).below(names[0])
	if place == k.here {
		return true
	}
	// Of another network namespace, no descriptor is handed out, not even one to read from:
	// who pins that somewhere else can open the pin to write to it.
	return r.Do == pinsSweep && r.Path == string(place)
}

// mostPinNames lead to a pin: a network namespace's directory, an ingress's, the pin.
const mostPinNames = 3

// isPinName tells whether a name is one of ours, which cannot lead anywhere else.
func isPinName(name string) bool {
	const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-."
	return name != "" && name[0] != '.' && strings.Trim(name, letters) == ""
}

func carryOutPin(r PinRequest, descriptor int) (result PinResult, err error) {
	result.Descriptor = noDescriptor
	dir := pins(r.Path)
	switch r.Do {
	case pinsExist:
		_, err = os.Stat(r.Path)
	case pinsMake:
		err = dir.makeHere()
	case pinsCheck:
		err = dir.errUnsafe()
	case pinsList:
		result.Names, err = namesIn(r.Path)
	case pinsRemove:
		err = dir.removeHere()
	case pinsSweep:
		if dir.isNamespaceGone() {
			err = dir.removeHere()
		}
	case pinsLock:
		result.Descriptor, err = unix.Open(r.Path, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
	case pinPin:
		err = pinObject(r.Path, descriptor)
	case pinOpen, pinOpenRead:
		result.Descriptor, err = openPinned(r.Path, r.Do == pinOpenRead)
	case pinDrop:
		err = os.Remove(r.Path)
	case pinRename:
		err = unix.Renameat2(unix.AT_FDCWD, newPin(r.Path), unix.AT_FDCWD, r.Path, 0)
	default:
		err = fmt.Errorf("%q is nothing to do with pins: %w", r.Do, unix.EINVAL)
	}
	return result, err
}

func namesIn(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names, err
}

// objectAttr is what bpf(2) takes for BPF_OBJ_PIN and BPF_OBJ_GET: union bpf_attr in
// linux/bpf.h.
type objectAttr struct {
	path  uint64
	fd    uint32
	flags uint32
}

// pinObject pins the map or link of a descriptor.
func pinObject(path string, descriptor int) error {
	_, err := callObject(unix.BPF_OBJ_PIN, path, objectAttr{fd: uint32(descriptor)})
	return err
}

// openPinned returns a descriptor of what is pinned there.
func openPinned(path string, readOnly bool) (descriptor int, err error) {
	var attr objectAttr
	if readOnly {
		attr.flags = unix.BPF_F_RDONLY
	}
	return callObject(unix.BPF_OBJ_GET, path, attr)
}

func callObject(command uintptr, path string, attr objectAttr) (int, error) {
	name, err := unix.BytePtrFromString(path)
	if err != nil {
		return noDescriptor, err
	}
	attr.path = uint64(uintptr(unsafe.Pointer(name)))
	result, _, errno := unix.Syscall(unix.SYS_BPF, command, uintptr(unsafe.Pointer(&attr)), unsafe.Sizeof(attr))
	runtime.KeepAlive(name)
	if errno != 0 {
		return noDescriptor, errno
	}
	return int(result), nil
}

// pinner carries out a request: this process, unless another one is to. With ErrUnknown, that
// one did not answer.
var pinner = carryOutPin

// DelegatePins has all that is done with pins done by another process from now on. It must
// be called before a PairSet is asked for anything, while this process still may look at the
// pins.
// carryOut returns ErrUnknown if there is no answer.
func DelegatePins(carryOut func(PinRequest, int) (PinResult, error)) {
	absence.watch(pinRoot)
	if here, err := keptPins(); err == nil {
		_, _ = here.exist() // which is remembered, so that most processes never ask
	}
	pinner = carryOut
}

// do asks for something that needs no descriptor, and returns none.
func (p pins) do(action PinAction) (PinResult, error) {
	return pinner(PinRequest{Do: action, Path: string(p)}, noDescriptor)
}

// pinObject pins a map or link under a name.
func (p pins) pinObject(name string, object interface{ FD() int }) error {
	_, err := pinner(PinRequest{Do: pinPin, Path: p.path(name)}, object.FD())
	runtime.KeepAlive(object)
	return err
}

// isIngressPlace tells whether a name is that of a directory for an ingress.
func isIngressPlace(name string) bool { return strings.HasPrefix(name, ingressPrefix) }

// isUnanswered tells whether nobody could be asked, so that nothing is known.
func isUnanswered(err error) bool { return errors.Is(err, ErrUnknown) }
