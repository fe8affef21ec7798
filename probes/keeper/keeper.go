// Package keeper has a process of its own reach the pins of kept pairs, which are root's, for
// one that gave up being root.
package keeper

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/supervise"
)

// Keeper asks a process to carry out what is done with pins.
type Keeper struct {
	mu     sync.Mutex // one request at a time
	socket *os.File
	buffer []byte
	last   uint64 // number of the last request
	isLate bool   // that has no answer yet
	isGone bool   // there will be none any more
}

const (
	// patience is how long an answer may take, with a process that has to be started first:
	// no longer than anybody waits for a key.
	patience = 2 * time.Second
	// mostAttempts is how often a request is made whose process is killed meanwhile.
	mostAttempts = 3
)

// unknownError is a crossconnect.ErrUnknown in words of its own.
type unknownError string

func (e unknownError) Error() string { return string(e) }

func (e unknownError) Is(target error) bool { return target == crossconnect.ErrUnknown }

const (
	errLate   unknownError = "kept pairs are not known: the keeping process does not answer"
	errKilled unknownError = "kept pairs are not known: the keeping process was killed"
	errGone   unknownError = "kept pairs are not known: the keeping process was killed: start ebpftop again"
)

// New returns a Keeper, and the end of its socket for the process that calls Serve.
func New() (k *Keeper, server *os.File, err error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a pair of sockets: %w", err)
	}
	socket := os.NewFile(uintptr(ends[0]), "keeper")
	return &Keeper{socket: socket}, os.NewFile(uintptr(ends[1]), "keeper"), nil
}

// Close lets the process end.
func (k *Keeper) Close() error { return k.socket.Close() }

// CarryOut is for crossconnect.DelegatePins. After one request that was not answered in time
// it does not wait again until there is an answer.
func (k *Keeper) CarryOut(r crossconnect.PinRequest, descriptor int) (crossconnect.PinResult, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for range mostAttempts {
		a, received, err := k.ask(r, descriptor)
		if err != nil || a.Number != 0 {
			return crossconnect.PinResult{Names: a.Names, Descriptor: received}, cmp.Or(err, a.Failure.Err())
		}
		if !r.Do.IsRepeatable() {
			break
		}
	}
	return crossconnect.PinResult{Descriptor: noDescriptor}, errKilled
}

// ask returns the answer to a request, or that with number 0.
func (k *Keeper) ask(r crossconnect.PinRequest, descriptor int) (answer, int, error) {
	deadline := time.Now().Add(patience)
	if k.isLate {
		deadline = time.Now()
		if err := k.catchUp(deadline); err != nil {
			return answer{}, noDescriptor, err
		}
		deadline = deadline.Add(patience)
	}
	if k.isGone {
		return answer{}, noDescriptor, errGone
	}
	k.last++
	if err := send(k.socket, request{k.last, r}, descriptor); err != nil {
		return answer{}, noDescriptor, k.gone(err)
	}
	for {
		a, received, err := k.receive(deadline)
		if err != nil || a.Number == k.last || a.Number == 0 {
			return a, received, err
		}
		closeDescriptor(received) // of an answer that came too late
	}
}

// catchUp takes the late answer. Without, it returns errLate.
func (k *Keeper) catchUp(deadline time.Time) error {
	for k.isLate {
		a, received, err := k.receive(deadline)
		if err != nil {
			return err
		}
		closeDescriptor(received)
		k.isLate = a.Number != k.last && a.Number != 0
	}
	return nil
}

// receive waits for an answer until a deadline.
func (k *Keeper) receive(deadline time.Time) (a answer, descriptor int, err error) {
	wait := max(0, time.Until(deadline))
	events, err := supervise.AwaitInput(k.socket, int(wait.Milliseconds()))
	if err != nil {
		return a, noDescriptor, err
	}
	if events == 0 {
		k.isLate = true
		return a, noDescriptor, errLate
	}
	if k.buffer == nil {
		k.buffer = make([]byte, longestPacket)
	}
	message, descriptor, err := receive(k.socket, k.buffer)
	if err != nil || len(message) == 0 {
		return a, noDescriptor, k.gone(err)
	}
	if err := json.Unmarshal(message, &a); err != nil {
		closeDescriptor(descriptor)
		return a, noDescriptor, fmt.Errorf("read the answer about pins: %w", err)
	}
	return a, descriptor, nil
}

// gone notes that nobody is there, unless an error says something else.
func (k *Keeper) gone(err error) error {
	if err == nil || slices.ContainsFunc([]error{unix.EPIPE, unix.ECONNRESET, unix.ENOTCONN}, func(e error) bool { return errors.Is(err, e) }) {
		k.isGone = true
		return errGone
	}
	return fmt.Errorf("ask about pins: %w", err)
}
