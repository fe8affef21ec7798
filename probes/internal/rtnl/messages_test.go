package rtnl

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestKnown has interfaces come, go and change, a port join and leave a bridge among them,
// and compares what messages tell with a list.
func TestKnown(t *testing.T) {
	labtest.RequireRoot(t)
	host, peer := labtest.Namespace(t), labtest.Namespace(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var messages <-chan Message
	var known Known
	if err := host.Do(func() (err error) {
		if messages, err = Messages(ctx); err != nil {
			return err
		}
		links, err := ListLinks()
		known.Set(links)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	steps := []func() error{
		func() error { return lab.QuietVeth(host, "a0", peer, "a0") },
		func() error { return host.AddBridge("br0", "a0") },
		func() error { return host.SetMTU("a0", 1400) },
		func() error {
			return host.Do(func() error {
				l, err := netlink.LinkByName("a0")
				if err != nil {
					return err
				}
				return netlink.LinkSetNoMaster(l)
			})
		},
		func() error { return lab.QuietVeth(host, "b0", peer, "b0") },
		func() error { return host.DeleteLink("a0") },
		func() error { return host.DeleteLink("br0") },
	}
	for n, step := range steps {
		if err := step(); err != nil {
			t.Fatal(err)
		}
		var want []string
		if err := host.Do(func() error {
			links, err := ListLinks()
			want = inWords(links)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for timeout := time.After(10 * time.Second); !slices.Equal(got, want); {
			select {
			case m := <-messages:
				known.Apply(m)
				links, _ := known.Links()
				got = inWords(links)
			case <-timeout:
				t.Fatalf("step %d: known are %q, want %q", n, got, want)
			}
		}
	}
}

// inWords describes interfaces, by index.
func inWords(links []netlink.Link) (words []string) {
	links = slices.Clone(links)
	slices.SortFunc(links, func(a, b netlink.Link) int { return a.Attrs().Index - b.Attrs().Index })
	for _, l := range links {
		a := l.Attrs()
		words = append(words, fmt.Sprint(a.Index, a.Name, l.Type(), a.MTU, a.Flags, a.OperState, a.MasterIndex, a.ParentIndex, a.NetNsID))
	}
	return words
}
