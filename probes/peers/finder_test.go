package peers

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

const (
	// hostnameVariable has the test binary be a container's process: it takes that host
	// name, unless it is sameHostname, says so, and ends with its standard input.
	hostnameVariable = "EBPFTOP_TEST_HOSTNAME"
	sameHostname     = "the same"
	// insideVariable has it run a test in a PID namespace of its own.
	insideVariable = "EBPFTOP_TEST_INSIDE"
)

func TestMain(m *testing.M) {
	name := os.Getenv(hostnameVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	if name != sameHostname && unix.Sethostname([]byte(name)) != nil {
		os.Exit(1)
	}
	os.Stdout.WriteString("ready\n")
	io.Copy(io.Discard, os.Stdin)
}

// container starts a process in a network namespace, with a host name of its own unless it
// is sameHostname. It returns how to end it.
func container(t *testing.T, in *lab.Namespace, hostname string) (end func()) {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), hostnameVariable+"="+hostname)
	cmd.SysProcAttr = &syscall.SysProcAttr{}
	if hostname != sameHostname {
		cmd.SysProcAttr.Cloneflags = syscall.CLONE_NEWUTS
	}
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := in.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("the process in the container says %q: %v", line, err)
	}
	return func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}

// rig is a Finder in a namespace, with a clock that the test sets.
type rig struct {
	t    *testing.T
	host *lab.Namespace
	f    *Finder
	now  time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, host: labtest.Namespace(t), now: time.Now()}
	r.check(r.host.Do(func() error {
		namespace, err := kernel.NetworkNamespace()
		r.f = New(namespace)
		return err
	}))
	r.f.now = func() time.Time { return r.now }
	t.Cleanup(func() { r.check(r.f.Close()) })
	r.check(r.f.refusal)
	return r
}

func (r *rig) check(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// find asks for the peer of an interface, after some time.
func (r *rig) find(iface string, after time.Duration) (peer probes.Peer) {
	r.t.Helper()
	r.now = r.now.Add(after)
	r.check(r.host.Do(func() error {
		l, err := netlink.LinkByName(iface)
		if err != nil {
			return err
		}
		peer = probes.Peer{Ifindex: l.Attrs().ParentIndex, NetNSID: &l.Attrs().NetNsID}
		r.f.Find([]probes.Interface{{Ifindex: l.Attrs().Index, Peer: &peer}})
		return nil
	}))
	return peer
}

// veth leads to a namespace, where its end is eth0.
func (r *rig) veth(iface string, to *lab.Namespace, addresses ...string) {
	r.t.Helper()
	r.check(lab.Veth(r.host, iface, to, "eth0"))
	for _, address := range addresses {
		r.check(to.AddAddress("eth0", address))
	}
}

// want compares what matters to a container's user.
func (r *rig) want(peer probes.Peer, name, hostname, address string) {
	r.t.Helper()
	got := [3]string{peer.Name}
	if peer.Hostname != nil {
		got[1] = *peer.Hostname
	}
	if peer.Address != nil {
		got[2] = peer.Address.String()
	}
	if want := [3]string{name, hostname, address}; got != want {
		r.t.Errorf("the peer is %q, want %q (%q, %q)", got, want, peer.HostnameReason, peer.AddressReason)
	}
	if (peer.Hostname == nil) != (peer.HostnameReason != "") || (peer.Address == nil) != (peer.AddressReason != "") {
		r.t.Errorf("not either a value or a reason: %+v", peer)
	}
}

// TestContainer follows a container from its interface, which comes first, to its end.
func TestContainer(t *testing.T) {
	r, pod := newRig(t), labtest.Namespace(t)
	r.veth("veth0", pod)
	peer := r.find("veth0", 0)
	r.want(peer, "eth0", "", "")
	if want := "no process is seen in it"; peer.HostnameReason != want {
		t.Errorf("no host name because %q, want %q", peer.HostnameReason, want)
	}
	end := container(t, pod, "web-7f9")
	r.check(pod.AddAddress("eth0", "fd00::7/64"))
	r.check(pod.AddAddress("eth0", "10.244.0.7/24"))
	r.want(r.find("veth0", retryPause), "eth0", "web-7f9", "")
	r.want(r.find("veth0", refreshAge), "eth0", "web-7f9", "10.244.0.7")
	r.check(pod.Rename("eth0", "net1"))
	end()
	r.want(r.find("veth0", refreshAge), "net1", "", "10.244.0.7")
}

// TestOldestProcess gives the host name.
func TestOldestProcess(t *testing.T) {
	r, pod := newRig(t), labtest.Namespace(t)
	defer container(t, pod, sameHostname)()
	end := container(t, pod, "first")
	defer container(t, pod, "second")()
	r.veth("veth0", pod, "10.0.0.1/24")
	r.want(r.find("veth0", 0), "eth0", "first", "10.0.0.1")
	end()
	r.want(r.find("veth0", refreshAge), "eth0", "second", "10.0.0.1")
}

// TestNameOfThisHost is not taken for that of a container.
func TestNameOfThisHost(t *testing.T) {
	r, namespace := newRig(t), labtest.Namespace(t)
	defer container(t, namespace, sameHostname)()
	r.veth("veth0", namespace, "fe80::7/64")
	peer := r.find("veth0", 0)
	r.want(peer, "eth0", "", "")
	if want := "its processes have the name of this host"; peer.HostnameReason != want {
		t.Errorf("no host name because %q, want %q", peer.HostnameReason, want)
	}
	if want := "it has none but link-local ones"; peer.AddressReason != want {
		t.Errorf("no address because %q, want %q", peer.AddressReason, want)
	}
}

// TestAnotherContainer gets the name, and maybe the number, that one before it had.
func TestAnotherContainer(t *testing.T) {
	r, before, after := newRig(t), labtest.Namespace(t), labtest.Namespace(t)
	defer container(t, before, "before")()
	defer container(t, after, "after")()
	r.veth("veth0", before, "10.0.0.1/24")
	r.want(r.find("veth0", 0), "eth0", "before", "10.0.0.1")
	r.check(r.host.DeleteLink("veth0"))
	r.veth("veth0", after, "10.0.0.2/24")
	r.want(r.find("veth0", retryPause), "eth0", "after", "10.0.0.2")
}

// TestNamedNamespace is called what it is in /run/netns.
func TestNamedNamespace(t *testing.T) {
	if !labtest.InOwnMounts() {
		labtest.RequireRoot(t)
		labtest.RerunInOwnMounts(t)
		return
	}
	const name = "ebpftop-test"
	r, namespace := newRig(t), labtest.Namespace(t)
	r.check(os.MkdirAll(namedNamespaces, 0o755))
	r.check(unix.Mount("none", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
	r.check(unix.Mount("none", namedNamespaces, "tmpfs", 0, ""))
	r.check(os.WriteFile(filepath.Join(namedNamespaces, name), nil, 0o600))
	r.check(os.WriteFile(filepath.Join(namedNamespaces, "no-namespace"), nil, 0o600))
	r.check(namespace.Do(func() error {
		return unix.Mount("/proc/thread-self/ns/net", filepath.Join(namedNamespaces, name), "", unix.MS_BIND, "")
	}))
	r.veth("veth0", namespace)
	if peer := r.find("veth0", 0); peer.Namespace != name || peer.Where() != name {
		t.Errorf("the namespace is %q (%q), want %q", peer.Namespace, peer.Where(), name)
	}
}

// TestInsidePIDNamespace finds processes by the pids that they have for us.
func TestInsidePIDNamespace(t *testing.T) {
	if os.Getenv(insideVariable) == "" {
		labtest.RequireRoot(t)
		cmd := exec.Command("/proc/self/exe", "-test.run=^"+t.Name()+"$", "-test.v")
		cmd.Env = append(os.Environ(), insideVariable+"=1")
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWPID}
		output, err := cmd.CombinedOutput()
		t.Logf("%s", output)
		r := &rig{t: t}
		r.check(err)
		return
	}
	r, pod := newRig(t), labtest.Namespace(t)
	defer container(t, pod, "inside")()
	r.veth("veth0", pod, "10.0.0.1/24")
	r.want(r.find("veth0", 0), "eth0", "inside", "10.0.0.1")
}

// TestManyPeers are all asked for, in several rounds if they take long.
func TestManyPeers(t *testing.T) {
	r, far := newRig(t), labtest.Namespace(t)
	const count = 5
	for n := range count {
		name := fmt.Sprint("veth", n)
		r.check(lab.QuietVeth(r.host, name, far, name))
	}
	// Each look at the clock takes more than half the time that there is.
	r.f.now = func() time.Time {
		r.now = r.now.Add(mostTime * 2 / 3)
		return r.now
	}
	var rows []probes.Interface
	r.check(r.host.Do(func() error {
		links, err := netlink.LinkList()
		for _, l := range links {
			if l.Type() == "veth" {
				rows = append(rows, probes.Interface{Ifindex: l.Attrs().Index, Name: l.Attrs().Name})
				rows[len(rows)-1].Peer = &probes.Peer{Ifindex: l.Attrs().ParentIndex, NetNSID: &l.Attrs().NetNsID}
			}
		}
		return err
	}))
	for round := 1; ; round++ {
		r.check(r.host.Do(func() error {
			r.f.Find(rows)
			return nil
		}))
		asked := 0
		for _, row := range rows {
			if row.Peer.Name == row.Name {
				asked++
			}
		}
		if asked < round {
			t.Fatalf("%d of %d are known after %d rounds", asked, count, round)
		}
		if asked == count {
			return
		}
	}
}
