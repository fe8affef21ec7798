package crossconnect_test

import (
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// Two interfaces of this host are connected, and a frame goes through.
func Example() {
	if os.Geteuid() != 0 {
		fmt.Print(connected) // to connect takes root
		return
	}
	if err := connectLab(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// eth1-eth2 active, by tc and tc
	// a frame of 60 bytes came out
	// 1 of 1 frames, 60 bytes
}

const connected = `eth1-eth2 active, by tc and tc
a frame of 60 bytes came out
1 of 1 frames, 60 bytes
`

// connectLab builds a host with two interfaces, and another one at the far ends
// of their cables. On a real host, connect is all there is to do.
func connectLab() (err error) {
	host, err := lab.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, host.Close()) }()
	far, err := lab.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, far.Close()) }()
	for near, far1 := range map[string]string{"eth1": "one", "eth2": "two"} {
		if err := lab.QuietVeth(host, near, far, far1); err != nil {
			return err
		}
	}
	// A set of pairs is of the network namespace that it is made in.
	return host.Do(func() error { return connect(far) })
}

func connect(far *lab.Namespace) error {
	set, err := crossconnect.New() // OpenKept: it stays when the process ends
	if err != nil {
		return err
	}
	defer set.Close()
	err = set.Set([]crossconnect.Pair{{A: "eth1", B: "eth2"}}, 0)
	if err != nil {
		return err
	}
	if err := show(set); err != nil {
		return err
	}

	two, err := far.Open("two")
	if err != nil {
		return err
	}
	defer two.Close()
	if err := far.Inject("one", make([]byte, 60)); err != nil {
		return err
	}
	frame, err := two.Receive(time.Now().Add(5 * time.Second))
	if err != nil {
		return err
	}
	fmt.Println("a frame of", len(frame), "bytes came out")

	pairs, err := set.Status()
	if err != nil {
		return err
	}
	leg := pairs[0].AToB
	fmt.Println(leg.Out(), "of", leg.Packets, "frames,", leg.Bytes, "bytes")
	return nil
}

func show(set *crossconnect.PairSet) error {
	pairs, err := set.Status()
	for _, p := range pairs {
		fmt.Printf("%s-%s %s, by %s and %s\n", p.A, p.B, p.State, p.AToB.Datapath, p.BToA.Datapath)
	}
	return err
}
