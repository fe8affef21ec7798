package keeper

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/supervise"
)

// Requests and answers are JSON, each a packet, with a descriptor where there is one.

type request struct {
	Number uint64 // from 1 on
	crossconnect.PinRequest
}

// answer is to one of them. That with number 0 is to none: it says that the answering
// process was killed.
type answer struct {
	Number  uint64
	Names   []string          `json:",omitempty"`
	Failure supervise.Failure // why it could not be done
}

// longestPacket is far more than the names of thousands of ingresses.
const longestPacket = 128 << 10

// noDescriptor stands for none.
const noDescriptor = -1

// send sends a message, and a descriptor if there is one.
func send(socket *os.File, message any, descriptor int) error {
	packet, err := json.Marshal(message)
	if err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	var rights []byte
	if descriptor != noDescriptor {
		rights = unix.UnixRights(descriptor)
	}
	for {
		err := unix.Sendmsg(int(socket.Fd()), packet, rights, nil, unix.MSG_NOSIGNAL)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// receive reads a message into buffer, and a descriptor if there is one. An empty message
// says that there are no more.
func receive(socket *os.File, buffer []byte) (message []byte, descriptor int, err error) {
	rights := make([]byte, unix.CmsgSpace(4))
	n, m, flags := 0, 0, 0
	for {
		n, m, flags, _, err = unix.Recvmsg(int(socket.Fd()), buffer, rights, unix.MSG_CMSG_CLOEXEC)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, noDescriptor, err
	}
	descriptor = noDescriptor
	if controls, err := unix.ParseSocketControlMessage(rights[:m]); err == nil && len(controls) > 0 {
		if list, err := unix.ParseUnixRights(&controls[0]); err == nil && len(list) > 0 {
			descriptor = list[0]
		}
	}
	if flags&unix.MSG_TRUNC != 0 {
		closeDescriptor(descriptor)
		return nil, noDescriptor, unix.EMSGSIZE
	}
	return buffer[:n], descriptor, nil
}

func closeDescriptor(descriptor int) {
	if descriptor != noDescriptor {
		_ = unix.Close(descriptor) // it was not used
	}
}
