package lab_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// roleVariable makes the test binary play a role instead of running tests.
const (
	roleVariable         = "EBPFTOP_LAB_TEST_ROLE"
	oldNamespaceVariable = "EBPFTOP_LAB_TEST_OLD_NAMESPACE"
)

func TestMain(m *testing.M) {
	roles := map[string]func() error{
		"":         func() error { os.Exit(m.Run()); return nil },
		"victim":   victim,
		"isolated": isolated,
	}
	if err := roles[os.Getenv(roleVariable)](); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// as is the command to play the role.
func as(role string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	return cmd
}

// victim connects its namespace to one of its own, starts a program in that,
// says so and waits to be killed.
func victim() error {
	here, err := lab.Current()
	if err != nil {
		return err
	}
	own, err := lab.New()
	if err != nil {
		return err
	}
	if err := lab.Veth(here, "outer", own, "inner"); err != nil {
		return err
	}
	if err := own.Start(exec.Command("sleep", "1000")); err != nil {
		return err
	}
	fmt.Println("ready")
	select {}
}

// isolated says where the process is and what is there.
func isolated() error {
	if err := lab.Isolate(); err != nil {
		return err
	}
	links, err := netlink.LinkList()
	if err != nil {
		return err
	}
	for _, link := range links {
		fmt.Print(link.Attrs().Name, " ")
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if here == os.Getenv(oldNamespaceVariable) {
		return errors.New("still in the old namespace")
	}
	fmt.Print(os.Getpid(), os.Getenv("EBPFTOP_ISOLATED"))
	return nil
}

// identity is the name that the kernel gives the namespace.
func identity(t *testing.T, n *lab.Namespace) (name string) {
	t.Helper()
	err := n.Do(func() (err error) {
		name, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return name
}

func links(t *testing.T, n *lab.Namespace) []string {
	t.Helper()
	var names []string
	err := n.Do(func() error {
		links, err := netlink.LinkList()
		for _, link := range links {
			names = append(names, link.Attrs().Name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDo(t *testing.T) {
	labtest.RequireRoot(t)
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	n := labtest.Namespace(t)
	inside := identity(t, n)
	if inside == here {
		t.Errorf("Do ran in %s, the namespace of the test", inside)
	}

	want := errors.New("from inside")
	if err := n.Do(func() error { return want }); !errors.Is(err, want) {
		t.Errorf("Do returned %v, want %v", err, want)
	}
	if err := n.Do(func() error { runtime.Goexit(); return nil }); err == nil {
		t.Error("Do returned no error for a function that ended its goroutine")
	}
	assertResident(t, inside)
}

// assertResident checks that one thread lives in the namespace, and no other
// stayed behind.
func assertResident(t *testing.T, namespace string) {
	t.Helper()
	threads, err := filepath.Glob("/proc/self/task/*/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	residents := 0
	for _, thread := range threads {
		// Fails for a thread that has ended since.
		if ns, err := os.Readlink(thread); err == nil && ns == namespace {
			residents++
		}
	}
	if residents != 1 {
		t.Errorf("%d threads live in %s, want 1", residents, namespace)
	}
}

func TestMainThreadStaysHome(t *testing.T) {
	labtest.RequireRoot(t)
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	for range 50 {
		labtest.Namespace(t)
	}
	if main, err := os.Readlink(fmt.Sprintf("/proc/self/task/%d/ns/net", os.Getpid())); err != nil || main != here {
		t.Errorf("main thread is in %s (%v), want %s", main, err, here)
	}
}

func TestClosed(t *testing.T) {
	labtest.RequireRoot(t)
	n, err := lab.New()
	if err != nil {
		t.Fatal(err)
	}
	sleeper := exec.Command("sleep", "1000")
	if err := n.Start(sleeper); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := sleeper.Wait(); !errors.As(err, &exit) {
		t.Errorf("process started in a closed namespace ended with %v, want it killed", err)
	}
	if err := n.Start(exec.Command("true")); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Start in a closed namespace: %v, want %v", err, os.ErrClosed)
	}
	if err := n.Do(func() error { return nil }); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Do in a closed namespace: %v, want %v", err, os.ErrClosed)
	}
	if err := n.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("second Close: %v, want %v", err, os.ErrClosed)
	}
}

func TestStart(t *testing.T) {
	labtest.RequireRoot(t)
	n := labtest.Namespace(t)
	inside := identity(t, n)

	cmd := exec.Command("readlink", "/proc/self/ns/net")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSpace(out.String()); got != inside {
		t.Errorf("process ran in %s, want %s", got, inside)
	}
}

func TestKilled(t *testing.T) {
	labtest.RequireRoot(t)
	n := labtest.Namespace(t)
	changes := make(chan netlink.LinkUpdate, 16)
	done := make(chan struct{})
	defer close(done)
	if err := n.Do(func() error { return netlink.LinkSubscribe(changes, done) }); err != nil {
		t.Fatal(err)
	}

	cmd := as("victim")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "ready\n" {
		t.Fatalf("victim says %q (%v)", line, err)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // reports the kill

	// The kernel deletes our end of the pair when it removes the namespace
	// that the other end is in.
	timeout := time.After(10 * time.Second)
	for {
		select {
		case change := <-changes:
			if change.Header.Type == unix.RTM_DELLINK && change.Attrs().Name == "outer" {
				return
			}
		case <-timeout:
			t.Fatalf("namespace of a killed process is still there: %v", links(t, n))
		}
	}
}

func TestLinks(t *testing.T) {
	labtest.RequireRoot(t)
	client, server, hub := labtest.Namespace(t), labtest.Namespace(t), labtest.Namespace(t)
	for _, step := range []error{
		lab.Veth(client, "eth0", hub, "to-client"),
		lab.Veth(server, "eth0", hub, "to-server"),
		hub.AddBridge("br0", "to-client", "to-server"),
		client.AddAddress("eth0", "10.1.0.1/24"),
		server.AddAddress("eth0", "10.1.0.2/24"),
		client.AddAddress("eth0", "fd01::1/64"),
		server.AddAddress("eth0", "fd01::2/64"),
	} {
		if step != nil {
			t.Fatal(step)
		}
	}
	link, err := hub.Link("br0")
	if err != nil {
		t.Fatal(err)
	}
	if link.Type() != "bridge" || link.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("br0 is a %s with flags %v, want a bridge that is up", link.Type(), link.Attrs().Flags)
	}

	for _, address := range []string{"10.1.0.2:0", "[fd01::2]:0"} {
		greet(t, client, server, address)
	}
	for _, address := range []string{"10.1.0.2", "fd01::2"} {
		if err := client.Ping(t.Context(), netip.MustParseAddr(address), 10); err != nil {
			t.Error(err)
		}
	}

	if err := client.DeleteLink("eth0"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Link("eth0"); !errors.As(err, &netlink.LinkNotFoundError{}) {
		t.Errorf("deleted interface: %v", err)
	}
}

// greet sends one byte by TCP from client to the address in server.
func greet(t *testing.T, client, server *lab.Namespace, address string) {
	t.Helper()
	var listener net.Listener
	err := server.Do(func() (err error) {
		listener, err = net.Listen("tcp", address)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = client.Do(func() error {
		conn, err := net.DialTimeout("tcp", listener.Addr().String(), 10*time.Second)
		if err != nil {
			return err
		}
		defer conn.Close()
		_, err = conn.Write([]byte{1})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	conn, err := listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if n, err := conn.Read(make([]byte, 8)); n != 1 {
		t.Errorf("server read %d bytes (%v) at %s, want 1", n, err, address)
	}
}

// TestLinkChanges sends a frame after each change to an interface.
func TestLinkChanges(t *testing.T) {
	labtest.RequireRoot(t)
	a, b, c := labtest.Namespace(t), labtest.Namespace(t), labtest.Namespace(t)
	if err := lab.QuietVethAt(5000, a, "left", b, "right"); err != nil {
		t.Fatal(err)
	}
	if l, err := a.Link("left"); err != nil || l.Attrs().Index != 5000 {
		t.Errorf("left is %+v (%v), want index 5000", l, err)
	}
	far := openWire(t, b, "right")
	exchange := func(from *lab.Namespace, iface string, size int) {
		t.Helper()
		if err := from.Inject(iface, frame(size, 0x88, 0xb5)); err != nil {
			t.Fatal(err)
		}
		// A namespace that an interface moves to has IPv6, and the kernel frames
		// of its own.
		for deadline := time.Now().Add(5 * time.Second); ; {
			got, err := far.Receive(deadline)
			if err != nil {
				t.Errorf("no frame of %d bytes: %v", size, err)
			}
			if err != nil || len(got) == size {
				return
			}
		}
	}
	exchange(a, "left", 60)
	for _, end := range []struct {
		n     *lab.Namespace
		iface string
	}{{a, "left"}, {b, "right"}} {
		if err := end.n.SetMTU(end.iface, 9000); err != nil {
			t.Fatal(err)
		}
	}
	exchange(a, "left", 9014)
	if err := a.Rename("left", "middle"); err != nil {
		t.Fatal(err)
	}
	exchange(a, "middle", 60)
	if err := a.Move("middle", c); err != nil {
		t.Fatal(err)
	}
	exchange(c, "middle", 60)
}

func TestLinkErrors(t *testing.T) {
	labtest.RequireRoot(t)
	n := labtest.Namespace(t)
	_, linkErr := n.Link("nosuch")
	for name, err := range map[string]error{
		"AddAddress of a missing interface":     n.AddAddress("nosuch", "10.1.0.1/24"),
		"AddAddress of a malformed address":     n.AddAddress("lo", "10.1.0"),
		"AddBridge with a missing port":         n.AddBridge("br0", "nosuch"),
		"lab.Veth with a name that is too long": lab.Veth(n, "a-name-longer-than-fifteen", n, "b"),
		"Inject into a missing interface":       n.Inject("nosuch"),
		"Link of a missing interface":           linkErr,
		"DeleteLink of a missing interface":     n.DeleteLink("nosuch"),
		"Inject of a frame without a header":    n.Inject("lo", []byte{1}),
		"SetMTU of a missing interface":         n.SetMTU("nosuch", 1500),
		"Rename of a missing interface":         n.Rename("nosuch", "other"),
		"Move of a missing interface":           n.Move("nosuch", n),
		"PrepareForXDP of a missing one":        n.PrepareForXDP("nosuch"),
		"lab.QuietVethAt of a taken index":      lab.QuietVethAt(1, n, "a", n, "b"),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestIsolate(t *testing.T) {
	labtest.RequireRoot(t)
	n := labtest.Namespace(t)
	cmd := as("isolated")
	// The second is a variable left over from elsewhere.
	cmd.Env = append(cmd.Env, oldNamespaceVariable+"="+identity(t, n), "EBPFTOP_ISOLATED"+"=net:[1]")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := n.Start(cmd); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	if want := fmt.Sprint("lo ", cmd.Process.Pid); err != nil || out.String() != want {
		t.Errorf("isolated process says %q (%v), want %q", out.String(), err, want)
	}
}
