package packets

import (
	"errors"
	"net/netip"
	"os"
	"strconv"
	"sync/atomic"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes"
)

// neighbour is a frame of connection n, all of which take turns in one slot.
func neighbour(n int) []byte { return tupleFrame(n << 8) }

func neighbours(numbers ...int) (frames [][]byte) {
	for _, n := range numbers {
		frames = append(frames, neighbour(n))
	}
	return frames
}

// onOneCPU keeps all threads on one CPU until the test ends, and so the frames
// that they send: each CPU has slots of its own.
func onOneCPU(t *testing.T) {
	t.Helper()
	var all, one unix.CPUSet
	if err := unix.SchedGetaffinity(0, &all); err != nil {
		t.Fatal(err)
	}
	for cpu := 0; one.Count() == 0; cpu++ {
		if all.IsSet(cpu) {
			one.Set(cpu)
		}
	}
	pin := func(cpus *unix.CPUSet) {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			t.Fatal(err)
		}
		for _, thread := range threads {
			tid, _ := strconv.Atoi(thread.Name())
			if err := unix.SchedSetaffinity(tid, cpus); err != nil && !errors.Is(err, unix.ESRCH) {
				t.Fatal(err)
			}
		}
	}
	pin(&one)
	t.Cleanup(func() { pin(&all) })
}

// received polls, and gives the frames counted of each neighbour.
func (r *rig) received() (frames map[int]uint64, announced uint64) {
	r.t.Helper()
	polled := r.pollConnections()
	return byNeighbour(polled.Connections), polled.New
}

func byNeighbour(rows []probes.Connection) map[int]uint64 {
	frames := make(map[int]uint64)
	for _, row := range rows {
		address := netip.AddrPort(row.Remote).Addr().As4()
		frames[int(address[3])] = row.RXPackets
	}
	return frames
}

// expectReceived compares the frames counted of the first neighbours.
func (r *rig) expectReceived(want ...uint64) {
	r.t.Helper()
	frames, _ := r.received()
	for n := range want {
		if frames[n] != want[n] {
			r.t.Errorf("%d frames of connection %d, want %d", frames[n], n, want[n])
		}
	}
}

// TestSlotTakenInTurns has connections follow one another in a slot.
func TestSlotTakenInTurns(t *testing.T) {
	for _, hook := range allHooks {
		t.Run(string(hook), func(t *testing.T) {
			onOneCPU(t)
			r := newRig(t, hook, 1000)
			r.check(r.peer.Inject(peerInterface, neighbours(0, 0, 0, 1, 1, 0, 2, 0, 0, 1)...))
			r.await(10)
			frames, announced := r.received()
			if frames[0] != 6 || frames[1] != 3 || frames[2] != 1 || announced != 3 {
				t.Errorf("frames %v, %d connections announced, want 6, 3 and 1 of 3", frames, announced)
			}
		})
	}
}

// TestSlotEmptiedMeanwhile empties a slot into a row that was just read.
func TestSlotEmptiedMeanwhile(t *testing.T) {
	onOneCPU(t)
	r := newRig(t, tcHook, 1000)
	r.check(r.peer.Inject(peerInterface, neighbours(0, 0, 0)...))
	r.await(3)
	r.expectReceived(3)

	c := r.connections
	r.check(c.readSlots())
	c.ipv4.expect(c.slots)
	var read readRows
	r.check(c.ipv4.read(&read, r.watched.Standing, c.times))
	rows := read.rows
	r.check(r.peer.Inject(peerInterface, neighbour(1)))
	r.await(4)
	r.check(c.readSlots())
	c.ipv4.add(rows, c.slots, c.times)
	if got := byNeighbour(rows)[0]; got != 3 {
		t.Errorf("%d frames, want 3 as before", got)
	}
	r.expectReceived(3, 1)
}

// TestSlotChangingHands looks at a slot in the moment when its connection leaves.
func TestSlotChangingHands(t *testing.T) {
	onOneCPU(t)
	r := newRig(t, tcHook, 1000)
	r.check(r.peer.Inject(peerInterface, neighbours(0, 0, 0)...))
	r.await(3)
	c := r.connections
	r.check(c.readSlots())
	for number := range connectionSlots {
		slots := c.slots.Of(number)
		for cpu := range slots {
			slots[cpu].Left++
		}
		r.check(c.maps[bpf.PacketsMapConnectionSlots].Put(uint32(number), slots))
	}
	_, row := r.onlyRow()
	r.expectReceived(row.RxPackets) // what the row itself says
}

// onlyRow reads the only row of IPv4. It has what its connection sent up to the first frame
// of the tick that it sent in last; the rest is in a slot.
func (r *rig) onlyRow() (key bpf.PacketsConnectionKey4, row bpf.PacketsConnection) {
	r.t.Helper()
	m := r.connections.ipv4.m
	r.check(m.NextKey(nil, &key))
	r.check(m.Lookup(&key, &row))
	return key, row
}

// TestRowEvictedWhileInSlot deletes the row of a connection that goes on.
func TestRowEvictedWhileInSlot(t *testing.T) {
	onOneCPU(t)
	r := newRig(t, tcHook, 1000)
	r.check(r.peer.Inject(peerInterface, neighbours(0, 0)...))
	r.await(2)
	_, announced := r.received()
	key, row := r.onlyRow()
	r.connections.ipv4.leaving = append(r.connections.ipv4.leaving, key)
	r.check(r.connections.ipv4.removeLeaving())
	r.check(r.peer.Inject(peerInterface, neighbours(0, 0, 1)...))
	r.await(5)
	frames, again := r.received()
	if want := 4 - row.RxPackets; frames[0] != want || frames[1] != 1 || announced != 1 || again != 2 {
		t.Errorf("frames %v, announced %d and %d, want %d and 1, announced 1 and 2", frames, announced, again, want)
	}
}

// TestRowMadeAgain has a row in the place of an older one that counted more.
func TestRowMadeAgain(t *testing.T) {
	onOneCPU(t)
	r := newRig(t, tcHook, 1000)
	r.check(r.peer.Inject(peerInterface, neighbours(0, 0, 0)...))
	r.await(3)
	r.expectReceived(3)
	for key, s := range r.connections.ipv4.slotted {
		s.total.RxPackets, s.total.FirstSeen = 1000, s.total.FirstSeen-1
		r.connections.ipv4.slotted[key] = s
	}
	r.expectReceived(3)
}

// TestLastSeenStays settles what a CPU counted long before a row was last seen.
func TestLastSeenStays(t *testing.T) {
	onOneCPU(t)
	r := newRig(t, tcHook, 1000)
	r.check(r.peer.Inject(peerInterface, neighbours(0, 0)...))
	r.await(2)
	c := r.connections
	key, row := r.onlyRow()
	row.LastSeen += 1e6 // ticks, hours ahead
	r.check(c.ipv4.m.Put(&key, &row))
	r.check(r.peer.Inject(peerInterface, neighbour(1)))
	r.await(3)
	var now bpf.PacketsConnection
	r.check(c.ipv4.m.Lookup(&key, &now))
	if now.RxPackets != 2 || now.LastSeen != row.LastSeen {
		t.Errorf("%d frames, last seen %d ticks from then, want 2 and 0", now.RxPackets, int64(now.LastSeen-row.LastSeen))
	}
}

// TestRowsOnlyGrow reads connections while they take one another's slots.
func TestRowsOnlyGrow(t *testing.T) {
	const connections, bursts = 5, 100
	r := newRig(t, tcHook, 1000)
	var burst [][]byte
	for n := range connections {
		burst = append(burst, repeat(neighbour(n), 1+n)...)
	}
	var sent atomic.Bool
	var failed error
	go func() {
		defer sent.Store(true)
		for range bursts {
			if failed = r.peer.Inject(peerInterface, burst...); failed != nil {
				return
			}
		}
	}()
	before := make(map[int]uint64)
	for !sent.Load() {
		frames, _ := r.received()
		for n, was := range before {
			if frames[n] < was {
				t.Fatalf("connection %d falls from %d frames to %d", n, was, frames[n])
			}
			if limit := uint64(bursts * (1 + n)); frames[n] > limit {
				t.Fatalf("%d frames of connection %d, of which %d are sent", frames[n], n, limit)
			}
		}
		before = frames
	}
	r.check(failed)
	r.await(uint64(bursts * len(burst)))
	r.expectReceived(bursts, 2*bursts, 3*bursts, 4*bursts, 5*bursts)
}
