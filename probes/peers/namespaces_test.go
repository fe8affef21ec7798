package peers

import (
	"os"
	"slices"
	"strconv"
	"testing"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

func TestIsContainer(t *testing.T) {
	const id = "3f4e5d6c7b8a99887766554433221100ffeeddccbbaa00112233445566778899"
	for cgroups, names := range map[string][]string{
		"0::/system.slice/docker-" + id + ".scope\n":                                            {id, id[:8]},
		"0::/kubepods.slice/kubepods-pod12ab34cd.slice/cri-containerd-" + id + ".scope\n":       {id, id[:12]},
		"12:pids:/docker/" + id + "\n11:memory:/docker/" + id + "\n":                            {id, id[:20]},
		"0::/lxc.payload.web/init.scope\n":                                                      {"web"},
		"0::/machine.slice/machine-web.scope/payload\n":                                         {"web"},
		"0::/kubepods/burstable/pod0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9/" + id + "/more\nbad\n": {id},
	} {
		for _, name := range names {
			if !isContainer(cgroups, name) {
				t.Errorf("%q is not found in %q", name, cgroups)
			}
		}
		for _, name := range []string{id[:7], id[1:], "we", "scope", "docke", ""} {
			if isContainer(cgroups, name) {
				t.Errorf("%q is found in %q", name, cgroups)
			}
		}
	}
}

// TestNamespaces finds a namespace by whatever it is called, and none by what it is not.
func TestNamespaces(t *testing.T) {
	r, pod, twin, other := newRig(t), labtest.Namespace(t), labtest.Namespace(t), labtest.Namespace(t)
	defer container(t, pod, "web")()
	defer container(t, other, "other")()
	r.veth("veth0", pod, "10.0.0.1/24")
	r.check(lab.QuietVeth(r.host, "veth1", other, "eth0"))
	find := func(texts ...string) (found []Namespace, unknown []string) {
		t.Helper()
		r.check(r.host.Do(func() (err error) {
			found, unknown, err = r.f.Namespaces(texts)
			return err
		}))
		return found, unknown
	}
	found, unknown := find("web", "nowhere")
	if len(found) != 1 || found[0].Name != "web" || len(unknown) != 1 || unknown[0] != "nowhere" {
		t.Fatalf("found %+v, unknown %q", found, unknown)
	}
	links, err := r.f.Links(found[0])
	r.check(err)
	addresses, err := r.f.Addresses(found[0])
	r.check(err)
	var names []string
	for _, l := range links {
		names = append(names, l.Attrs().Name)
		if l.Attrs().Name == "eth0" && (len(addresses[l.Attrs().Index]) == 0 || addresses[l.Attrs().Index][0].String() != "10.0.0.1/24") {
			t.Errorf("addresses are %v", addresses)
		}
	}
	if !slices.Contains(names, "lo") || !slices.Contains(names, "eth0") { // beside those that kernels make by themselves
		t.Errorf("interfaces are %q, want lo and eth0", names)
	}
	for _, p := range slices.Clone(r.f.hostnames.processes) { // which each find lists anew
		if p.NetworkNamespace != found[0].Inode {
			continue
		}
		if byPID, _ := find(strconv.Itoa(int(p.Pid))); len(byPID) != 1 || byPID[0].Inode != found[0].Inode {
			t.Errorf("by pid %d: %+v", p.Pid, byPID)
		}
	}
	if own, _ := find(strconv.Itoa(os.Getpid())); len(own) > 1 {
		t.Errorf("one process is in %d namespaces", len(own))
	}
	// A second one of that name is told apart, and has no number until it is asked for.
	defer container(t, twin, "web")()
	if both, _ := find("web"); len(both) != 2 || both[0].Name == both[1].Name {
		t.Errorf("found %+v", both)
	}
}

// TestNamesAreToldApart: no two namespaces have the same name, whatever their hosts are called.
func TestNamesAreToldApart(t *testing.T) {
	found := []Namespace{{Inode: 1, Name: "web", Number: 5}, {Inode: 2, Name: "web", Number: 6}, {Inode: 3, Name: "web#5", Number: 7}, {Inode: 4, Name: "db", Number: 8}}
	tellApart(found)
	var names []string
	for _, n := range found {
		names = append(names, n.Name)
	}
	if want := []string{"web#5#5", "web#6", "web#5", "db"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}
