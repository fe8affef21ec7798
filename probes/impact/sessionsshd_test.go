package impact

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/internal/rtnl"
	"github.com/ebpftop/ebpftop/probes/lab"
)

// Tests with a real sshd in the host, and a real ssh in the peer, which runs
// this test binary in the host to say what session it finds itself in.

// sessionVariable makes the test binary say so; "orphan" once it has lost the
// ancestors it was started by.
const sessionVariable = "EBPFTOP_TEST_SESSION"

// TestSessionHelper is no test, but what runs in the session.
func TestSessionHelper(t *testing.T) {
	switch os.Getenv(sessionVariable) {
	case "":
		return
	case "orphan":
		for deadline := time.Now().Add(10 * time.Second); descendsFromSSH(t); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("still descends from sshd")
			}
		}
	}
	links, err := rtnl.ListLinks()
	if err != nil {
		t.Fatal(err)
	}
	cut := []string{}
	for _, l := range links {
		name := l.Attrs().Name
		c, err := Of(probes.Change{Add: &probes.Pair{A: name, B: name}}, func(string) int { return 0 }, ownSessions)
		if err != nil {
			t.Fatal(err)
		}
		if c.Interfaces[0].CarriesSSH {
			cut = append(cut, name)
		}
	}
	found, err := ownSessions()
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("session found: %v, over %v\n", len(found) > 0, cut)
}

// descendsFromSSH tells whether this process does.
func descendsFromSSH(t *testing.T) bool {
	t.Helper()
	ancestors, err := listAncestors(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	return len(sshAmong(ancestors)) > 0
}

// ownSessions are those that this process may be in.
func ownSessions() (Sessions, error) { return FindSessions(os.Getpid()) }

// helperCommand runs the helper in an environment that holds no more than is
// given, as sudo leaves it.
func helperCommand(t *testing.T, way string, environment ...string) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("env -i %s=%s %s %s -test.run='^TestSessionHelper$'", sessionVariable, way, strings.Join(environment, " "), self)
}

// sshRig is a sessionRig whose host runs an sshd, at all addresses.
type sshRig struct {
	*sessionRig
	folder  string
	console *os.File // the terminal that sshd is started at, if any
}

func newSSHRig(t *testing.T) *sshRig {
	t.Helper()
	r := &sshRig{sessionRig: newSessionRig(t), folder: t.TempDir()}
	for _, name := range []string{"host", "user"} {
		output, err := exec.Command(require(t, "ssh-keygen", "openssh-client"),
			"-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(r.folder, name)).CombinedOutput()
		if err != nil {
			t.Fatalf("make key: %v: %s", err, output)
		}
	}
	r.serve(r.host)
	return r
}

// serve waits until an sshd listens there; it ends with the test.
func (r *sshRig) serve(in *lab.Namespace) {
	r.t.Helper()
	sshd := require(r.t, "sshd", "openssh-server")
	// Where sshd locks up what it does not trust: whoever starts it makes that.
	r.check(os.MkdirAll("/run/sshd", 0o755))
	config := filepath.Join(r.folder, "sshd_config")
	r.check(os.WriteFile(config, []byte(`
ListenAddress 0.0.0.0
ListenAddress ::
HostKey `+filepath.Join(r.folder, "host")+`
AuthorizedKeysFile `+filepath.Join(r.folder, "user.pub")+`
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
# The folder for tests may be anyone's to write to.
StrictModes no
UsePAM no
PidFile none
`), 0o600))
	cmd := exec.Command(sshd, "-D", "-e", "-f", config)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: r.console != nil}
	if r.console != nil {
		cmd.Stdin = r.console
	}
	log, err := cmd.StderrPipe()
	r.check(err)
	r.check(in.Start(cmd))
	r.t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait() // reports the kill
	})
	lines, listening := bufio.NewReader(log), 0
	for listening < 2 {
		line, err := lines.ReadString('\n')
		if err != nil {
			r.t.Fatalf("sshd does not listen: %s (%v)", line, err)
		}
		if strings.HasPrefix(line, "Server listening on") {
			listening++
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // so that sshd can log on
}

// ssh is the command to have the command run at the address.
func (r *sshRig) ssh(address, command string, options ...string) *exec.Cmd {
	options = append(options, "-F", "none", "-i", filepath.Join(r.folder, "user"), "-l", "root")
	for _, option := range []string{
		"BatchMode=yes", "IdentitiesOnly=yes", "ExitOnForwardFailure=yes",
		"StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR",
	} {
		options = append(options, "-o", option)
	}
	return exec.Command("ssh", append(options, address, command)...)
}

// helper runs the helper at the address and returns what it says.
func (r *sshRig) helper(address, command string) string {
	r.t.Helper()
	return r.listen(r.peer, r.ssh(address, command))
}

// listen returns what the helper says, which cmd runs.
func (r *sshRig) listen(in *lab.Namespace, cmd *exec.Cmd) string {
	r.t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	r.check(in.Start(cmd))
	err := cmd.Wait()
	line, _, _ := strings.Cut(output.String(), "\n")
	said, found := strings.CutPrefix(line, "session ")
	if err != nil || !found {
		r.t.Fatalf("%v: %v: %s", cmd.Args, err, output.String())
	}
	return said
}

// hold opens a session to the address, which lasts to the test's end.
func (r *sshRig) hold(from *lab.Namespace, address string, options ...string) {
	r.t.Helper()
	cmd := r.ssh(address, "echo ready; cat", options...)
	stdin, err := cmd.StdinPipe()
	r.check(err)
	stdout, err := cmd.StdoutPipe()
	r.check(err)
	r.check(from.Start(cmd))
	r.t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			r.t.Error(err)
		}
	})
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "ready\n" {
		r.t.Fatalf("session says %q (%v)", line, err)
	}
}

func (r *sshRig) expect(got, want string) {
	r.t.Helper()
	if got != want {
		r.t.Errorf("session %s, want %s", got, want)
	}
}

// addresses gives host0 and peer0 addresses of both families, and host1 and
// peer1 others, so that a wrong answer has somewhere to be.
func (r *sshRig) addresses() {
	r.t.Helper()
	for iface, cidr := range map[string]string{"host0": "10.0.0.2/24", "host1": "10.0.1.2/24"} {
		r.address(iface, cidr)
	}
	for iface, cidr := range map[string]string{"peer0": "10.0.0.1/24", "peer1": "10.0.1.1/24"} {
		r.check(r.peer.AddAddress(iface, cidr))
	}
	r.address("host0", "fd00::2/64")
	r.check(r.peer.AddAddress("peer0", "fd00::1/64"))
	r.address("host1", "fe80::2/64")
	r.check(r.peer.AddAddress("peer1", "fe80::1/64"))
}

// TestSSHDSessionOfAncestor has another session beside, which is not ours.
func TestSSHDSessionOfAncestor(t *testing.T) {
	r := newSSHRig(t)
	r.addresses()
	r.hold(r.peer, "10.0.1.2")
	for address, want := range map[string]string{
		"10.0.0.2":      "found: true, over [host0]",
		"fd00::2":       "found: true, over [host0]",
		"fe80::2%peer1": "found: true, over [host1]",
	} {
		t.Run(address, func(t *testing.T) {
			r.expect(r.helper(address, helperCommand(t, "child")), want)
		})
	}
	t.Run("environment lies", func(t *testing.T) {
		lie := `SSH_CONNECTION="10.0.1.1 1 10.0.1.2 22"`
		r.expect(r.helper("10.0.0.2", helperCommand(t, "child", lie)), "found: true, over [host0]")
	})
	t.Run("another namespace", func(t *testing.T) {
		environment := `SSH_CONNECTION="$SSH_CONNECTION"`
		r.expect(r.helper("10.0.0.2", "unshare --net "+helperCommand(t, "child", environment)), "found: false, over []")
	})
}

// TestSSHDSessionThroughHost comes by an ssh on the host itself, from which the
// user's connection cannot be told: all count.
func TestSSHDSessionThroughHost(t *testing.T) {
	r := newSSHRig(t)
	r.addresses()
	t.Run("second ssh", func(t *testing.T) {
		again := strings.Join(r.ssh("127.0.0.1", "").Args, " ") + `"` + helperCommand(t, "child") + `"`
		r.expect(r.helper("10.0.0.2", again), "found: true, over [lo host0]")
	})
	t.Run("reverse tunnel", func(t *testing.T) {
		r.serve(r.peer)
		r.hold(r.host, "10.0.0.1", "-R", "2222:127.0.0.1:22")
		r.expect(r.helper("ssh://127.0.0.1:2222", helperCommand(t, "child")), "found: true, over [lo host0]")
	})
}

// TestSSHDSessionOfOrphan has lost its sshd, as tmux, screen and mosh do.
func TestSSHDSessionOfOrphan(t *testing.T) {
	r := newSSHRig(t)
	r.addresses()
	const orphan = "setsid --fork "
	r.expect(r.helper("10.0.0.2", orphan+helperCommand(t, "orphan")), "found: true, over [host0]")
	moshed := `SSH_CONNECTION="10.0.1.1 1 10.0.1.2 22"` // which no TCP connection is left of
	r.expect(r.helper("10.0.0.2", orphan+helperCommand(t, "orphan", moshed)), "found: true, over [host0 host1]")
	r.hold(r.peer, "10.0.1.2")
	r.expect(r.helper("10.0.0.2", orphan+helperCommand(t, "orphan")), "found: true, over [host0 host1]")
}

// TestSSHDSessionOnConsole has somebody at the machine itself, while somebody
// else has a session, and then one of an sshd that was started there.
func TestSSHDSessionOnConsole(t *testing.T) {
	console := openConsole(t)
	r := newSSHRig(t)
	r.addresses()
	r.hold(r.peer, "10.0.0.2")
	cmd := exec.Command("sh", "-c", helperCommand(t, "child"))
	cmd.Stdin = console
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	r.expect(r.listen(r.host, cmd), "found: false, over []")

	r.console = openConsole(t) // the other hung up with its session
	r.serve(r.peer)
	r.expect(r.listen(r.host, r.ssh("10.0.0.1", helperCommand(t, "child"))), "found: true, over [peer0]")
}

// openConsole opens the last virtual console, which nobody is at.
func openConsole(t *testing.T) *os.File {
	t.Helper()
	console, err := os.OpenFile("/dev/tty63", os.O_RDWR|syscall.O_NOCTTY, 0)
	if err != nil {
		t.Skipf("this machine has no virtual console: %v", err)
	}
	t.Cleanup(func() { console.Close() })
	return console
}

// TestSSHDSessionOverStack has the session run over more than one device.
func TestSSHDSessionOverStack(t *testing.T) {
	for name, test := range map[string]struct {
		build func(*sshRig)
		want  string
	}{
		"bridge": {
			func(r *sshRig) {
				r.check(r.host.AddBridge("br0", "host0"))
				r.address("br0", "10.0.0.2/24")
				r.check(r.peer.AddAddress("peer0", "10.0.0.1/24"))
			},
			"found: true, over [host0 br0]",
		},
		"macvlan on a bridge": {
			func(r *sshRig) {
				r.check(r.host.AddBridge("br0", "host0"))
				r.add(&netlink.Macvlan{LinkAttrs: r.attributes("mac0", "br0"), Mode: netlink.MACVLAN_MODE_BRIDGE})
				r.address("mac0", "10.0.0.2/24")
				r.check(r.peer.AddAddress("peer0", "10.0.0.1/24"))
			},
			"found: true, over [host0 br0 mac0]",
		},
		"VLAN on a bond": {
			func(r *sshRig) {
				r.addVLANOnBond()
				r.address("vlan5", "10.0.0.2/24")
				link, err := r.peer.Link("peer0")
				r.check(err)
				attributes := netlink.NewLinkAttrs()
				attributes.Name, attributes.ParentIndex = "vlan5", link.Attrs().Index
				addLink(r.t, r.peer, &netlink.Vlan{LinkAttrs: attributes, VlanId: 5})
				r.check(r.peer.AddAddress("vlan5", "10.0.0.1/24"))
			},
			"found: true, over [host0 host1 bond0 vlan5]",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSSHRig(t)
			test.build(r)
			r.expect(r.helper("10.0.0.2", helperCommand(t, "child")), test.want)
		})
	}
}

// requireRootEnvironment is lab's: it makes a test fail that would be skipped.
const requireRootEnvironment = "EBPFTOP_TEST_REQUIRE_ROOT"

// require skips the test where a program is not installed.
func require(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv(requireRootEnvironment) == "1" {
		t.Fatalf("%v, and %s=1 forbids to skip: install %s", err, requireRootEnvironment, debianPackage)
	}
	t.Skipf("%v: install %s", err, debianPackage)
	return ""
}
