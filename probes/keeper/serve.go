package keeper

import (
	"encoding/json"
	"fmt"
	"os"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/supervise"
)

const (
	// idleTime is how long a process stays that nobody asks. As long as pairs are kept, it is
	// asked more often.
	idleTime = 5 * time.Second
	// longestAnswer is more than any takes. Who hangs is of use to nobody.
	longestAnswer = 10 * time.Second
)

// Serve has the requests of a Keeper carried out, until that is closed or asks for nothing
// for some time.
func Serve(socket *os.File, keeper *crossconnect.PinKeeper) error {
	supervisor := os.Getppid()
	buffer := make([]byte, longestPacket)
	for {
		isIdle, err := supervise.AwaitQuestion(socket, supervisor, idleTime)
		if isIdle || err != nil {
			return err
		}
		message, descriptor, err := receive(socket, buffer)
		if err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		if len(message) == 0 {
			return nil
		}
		tooLong := time.AfterFunc(longestAnswer, func() { os.Exit(1) })
		err = serve(socket, keeper, message, descriptor)
		tooLong.Stop()
		closeDescriptor(descriptor)
		if err != nil {
			return err
		}
	}
}

func serve(socket *os.File, keeper *crossconnect.PinKeeper, message []byte, descriptor int) error {
	var r request
	if err := json.Unmarshal(message, &r); err != nil {
		return fmt.Errorf("read request: %w", err)
	}
	result, err := keeper.CarryOut(r.PinRequest, descriptor)
	defer closeDescriptor(result.Descriptor)
	a := answer{Number: r.Number, Names: result.Names, Failure: supervise.FailureOf(err)}
	if err := send(socket, a, result.Descriptor); err != nil {
		return fmt.Errorf("answer: %w", err)
	}
	return nil
}

// WriteKilled tells a Keeper that the process that calls Serve was killed.
func WriteKilled(socket *os.File) error { return send(socket, answer{}, noDescriptor) }
