package packets

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestBusyDriver has a driver give frames back, which the kernel then sends again: they
// count once. A veth does that from Linux 6.16 on, when the far end does not keep up.
func TestBusyDriver(t *testing.T) {
	if version, err := features.LinuxVersionCode(); err == nil && version < 6<<16|16<<8 {
		t.Skip("before Linux 6.16 a veth drops what the far end has no room for")
	}
	labtest.RequireRoot(t)
	host, peer := labtest.Namespace(t), labtest.Namespace(t)
	const sender, receiver = "busy0", "busy1" // by which no other test calls a device
	if err := lab.QuietVeth(host, sender, peer, receiver); err != nil {
		t.Fatal(err)
	}
	r := &rig{t: t, host: host, peer: peer}
	r.openOn(sender, probes.HookTracepoint, 1000)
	r.check(host.Do(func() error { return queueFrames(sender) }))
	r.check(peer.AttachXDP(receiver, "pass")) // frames then wait in a ring
	r.check(slowDown(peer, receiver))
	busy := countBusy(t)
	r.check(sendUntil(host, sender, func() (bool, error) {
		var count uint64
		err := busy.Lookup(uint32(0), &count)
		return count > 0, err
	}))
	r.eventually(func() error {
		row, _ := r.poll()
		if row.TXPackets != row.Driver.TXPackets || row.TXBytes != row.TXPackets*uint64(len(udp4Frame())) {
			return fmt.Errorf("%d frames, %d bytes sent, the driver says %d frames of %d bytes",
				row.TXPackets, row.TXBytes, row.Driver.TXPackets, len(udp4Frame()))
		}
		return nil
	})
}

// queueFrames has frames wait that the driver does not take: without a queue they are
// dropped.
func queueFrames(iface string) error {
	l, err := netlink.LinkByName(iface)
	if err != nil {
		return err
	}
	return netlink.QdiscReplace(&netlink.GenericQdisc{
		QdiscAttrs: netlink.QdiscAttrs{LinkIndex: l.Attrs().Index, Handle: netlink.MakeHandle(1, 0), Parent: netlink.HANDLE_ROOT},
		QdiscType:  "pfifo",
	})
}

// slowDown has a thread of the kernel receive on an interface when nobody else wants
// the CPU.
func slowDown(in *lab.Namespace, iface string) error {
	// In mounts of its own, for the files of this network namespace's devices.
	cmd := exec.Command("sh", "-c", "mount -t sysfs sysfs /sys && echo 1 > /sys/class/net/"+iface+"/threaded")
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if err := in.Start(cmd); err != nil {
		return err
	}
	if err := cmd.Wait(); err != nil {
		return fmt.Errorf("receive on %s by a thread: %w", iface, err)
	}
	threads, err := filepath.Glob("/proc/[0-9]*/comm")
	if err != nil {
		return err
	}
	for _, file := range threads {
		if comm, err := os.ReadFile(file); err != nil || !strings.HasPrefix(string(comm), "napi/"+iface) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			return err
		}
		const idle = 5 // SCHED_IDLE
		priority := int32(0)
		if _, _, errno := unix.Syscall(unix.SYS_SCHED_SETSCHEDULER, uintptr(pid), idle, uintptr(unsafe.Pointer(&priority))); errno != 0 {
			return fmt.Errorf("slow down thread %d: %w", pid, errno)
		}
		return nil
	}
	return fmt.Errorf("no thread of the kernel receives on %s", iface)
}

// sendUntil keeps all CPUs busy with sending until done says so.
func sendUntil(host *lab.Namespace, iface string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var group errgroup.Group
	for range 4 {
		group.Go(func() error {
			wire, err := host.Open(iface)
			if err != nil {
				return err
			}
			defer wire.Close()
			for ctx.Err() == nil {
				if err := wire.Send(udp4Frame()); err != nil && !errors.Is(err, unix.ENOBUFS) {
					return err
				}
			}
			return nil
		})
	}
	var err error
	for isDone := false; !isDone && err == nil; time.Sleep(10 * time.Millisecond) {
		isDone, err = done()
		if ctx.Err() != nil && !isDone {
			err = errors.Join(err, errors.New("no frame was given back"))
		}
	}
	cancel()
	return errors.Join(err, group.Wait())
}

// countBusy counts how often drivers give a frame back.
func countBusy(t *testing.T) *ebpf.Map {
	t.Helper()
	count, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.Array, KeySize: 4, ValueSize: 8, MaxEntries: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { count.Close() })
	const busy = 0x10 // NETDEV_TX_BUSY
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceRawTp, AttachTo: "net_dev_xmit", License: "GPL",
		Instructions: asm.Instructions{
			asm.LoadMem(asm.R2, asm.R1, 8, asm.DWord), // what the driver returned
			asm.JNE.Imm(asm.R2, busy, "end"),
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -4),
			asm.LoadMapPtr(asm.R1, count.FD()),
			asm.FnMapLookupElem.Call(),
			asm.JEq.Imm(asm.R0, 0, "end"),
			asm.Mov.Imm(asm.R1, 1),
			asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
			asm.Mov.Imm(asm.R0, 0).WithSymbol("end"),
			asm.Return(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { program.Close() })
	attached, err := link.AttachTracing(link.TracingOptions{Program: program})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { attached.Close() })
	return count
}
