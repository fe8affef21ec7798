package packets

import (
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// TestForeignIsAskedOnce lists somebody else's program again and again, and asks
// for its name once; another one that takes its place is asked for.
func TestForeignIsAskedOnce(t *testing.T) {
	host, _ := newPair(t)
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var asked []ebpf.ProgramID
	lookAt := func(id ebpf.ProgramID) (crossconnect.Program, error) {
		asked = append(asked, id)
		return crossconnect.LookAtProgram(id)
	}
	w, i := new(watched), &Interfaces{LookAt: lookAt}
	defer i.RTNL.Close()
	for n, name := range []string{"foreign", "another"} {
		check(host.AttachXDP(hostInterface, name))
		check(host.Do(func() error {
			l, err := netlink.LinkByName(hostInterface)
			if err != nil {
				return err
			}
			for range 3 {
				if got := i.listForeign(w, l); !slices.Equal(got, []string{"xdp: " + name}) {
					t.Errorf("listed %q", got)
				}
			}
			return netlink.LinkSetXdpFd(l, -1)
		}))
		if len(asked) != n+1 || len(w.foreignNames) != 1 {
			t.Errorf("asked for %d, remembers %v", asked, w.foreignNames)
		}
	}
}
