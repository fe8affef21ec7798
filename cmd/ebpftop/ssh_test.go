package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// sshHost is a host with an sshd and two interfaces. The user's session comes
// by the first; the other leads away from the user.
//
//	client: client0 --- host0 :host: host1 --- other0 :other
type sshHost struct {
	*bench // of which the host is the hub
	client *lab.Namespace
	other  *lab.Wire
	folder string
}

const (
	clientAddress = "10.0.0.1"
	hostAddress   = "10.0.0.2"
)

func newSSHHost(t *testing.T) *sshHost {
	t.Helper()
	labtest.RequireRoot(t)
	h := &sshHost{bench: &bench{t: t, hub: newHub(t)}, client: labtest.Namespace(t), folder: t.TempDir()}
	other := labtest.Namespace(t)
	h.check(lab.QuietVeth(h.hub, "host0", h.client, "client0"))
	h.check(lab.QuietVeth(h.hub, "host1", other, "other0"))
	h.check(h.client.AddAddress("client0", clientAddress+"/24"))
	h.check(h.hub.AddAddress("host0", hostAddress+"/24"))
	var err error
	h.other, err = other.Open("other0")
	h.check(err)
	t.Cleanup(func() { h.other.Close() })
	h.serve()
	return h
}

// serve waits until an sshd listens. With the test it ends, and so do its
// sessions, of which one that is cut off would never hear.
func (h *sshHost) serve() {
	h.t.Helper()
	for _, name := range []string{"host", "user"} {
		keygen := exec.Command(require(h.t, "ssh-keygen", "openssh-client"),
			"-q", "-t", "ed25519", "-N", "", "-f", filepath.Join(h.folder, name))
		if output, err := keygen.CombinedOutput(); err != nil {
			h.t.Fatalf("make key: %v: %s", err, output)
		}
	}
	sshd := require(h.t, "sshd", "openssh-server")
	// Where sshd locks up what it does not trust: whoever starts it makes that.
	h.check(os.MkdirAll("/run/sshd", 0o755))
	config := filepath.Join(h.folder, "sshd_config")
	h.check(os.WriteFile(config, []byte(`
ListenAddress `+hostAddress+`
HostKey `+filepath.Join(h.folder, "host")+`
AuthorizedKeysFile `+filepath.Join(h.folder, "user.pub")+`
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
# The folder for tests may be anyone's to write to.
StrictModes no
UsePAM no
PidFile none
`), 0o600))
	cmd := exec.Command(sshd, "-D", "-e", "-f", config)
	log, err := cmd.StderrPipe()
	h.check(err)
	h.check(h.hub.Start(cmd))
	h.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // reports the kill
		h.killAll()
	})
	lines := bufio.NewReader(log)
	for line := ""; !strings.HasPrefix(line, "Server listening on"); {
		if line, err = lines.ReadString('\n'); err != nil {
			h.t.Fatalf("sshd does not listen: %s (%v)", line, err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, lines) }() // so that sshd can log on
}

// killAll kills what still runs in the host.
func (h *sshHost) killAll() {
	h.t.Helper()
	for _, pid := range h.processes("") {
		_ = syscall.Kill(pid, syscall.SIGKILL) // fails if it is gone
	}
}

// processes lists those that run in the host with a word in their command line.
func (h *sshHost) processes(word string) (pids []int) {
	h.t.Helper()
	var own string
	h.check(h.hub.Do(func() (err error) {
		own, err = os.Readlink("/proc/thread-self/ns/net")
		return err
	}))
	folders, err := filepath.Glob("/proc/[0-9]*")
	h.check(err)
	for _, folder := range folders {
		if of, err := os.Readlink(folder + "/ns/net"); err != nil || of != own {
			continue // or gone meanwhile
		}
		command, err := os.ReadFile(folder + "/cmdline")
		if err != nil || !strings.Contains(string(command), word) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(folder))
		h.check(err)
		pids = append(pids, pid)
	}
	return pids
}

// login runs ebpftop in a session of the client, on a terminal there.
func (h *sshHost) login(args ...string) *screen {
	h.t.Helper()
	command := append([]string{"env", beEbpftop + "=1"}, screenEnvironment...)
	command = append(append(command, ebpftop(h.t).Path), args...)
	cmd := h.ssh(strings.Join(command, " "), "-tt")
	cmd.Env = append(os.Environ(), screenEnvironment...)
	return openScreen(h.t, h.client, cmd)
}

// ssh runs a command in a session of the client.
func (h *sshHost) ssh(command string, options ...string) *exec.Cmd {
	h.t.Helper()
	options = append(options, "-F", "none", "-i", filepath.Join(h.folder, "user"), "-l", "root")
	for _, option := range []string{
		"BatchMode=yes", "IdentitiesOnly=yes", "LogLevel=ERROR",
		"StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null",
	} {
		options = append(options, "-o", option)
	}
	return exec.CommandContext(h.t.Context(), require(h.t, "ssh", "openssh-client"), append(options, hostAddress, command)...)
}

// TestOwnSession takes the interface that the user's own SSH session runs over:
// only who types its name does that, and who then is cut off gets it back.
func TestOwnSession(t *testing.T) {
	h := newSSHHost(t)
	s := h.login("--interval", "100ms")
	s.await("the interfaces", "host0", "host1")

	s.fill(form{a: "host0", b: "host1", trial: shortTrial})
	s.await("a warning", "CARRIES YOUR SSH SESSION", "Type host0 to apply this")
	const refusal = "your own session runs over host0: type its name to go on"
	for _, name := range []string{"", "host1"} {
		s.press(name)
		s.await("what was typed", "apply this: "+name)
		s.press(enter)
		s.await("a refusal", refusal)
		h.lists()
		s.press(strings.Repeat(backspace, len(name)))
	}
	s.press("host0")
	s.await("what was typed", "apply this: host0")
	h.lists()
	s.press(enter)

	h.awaitList("host0-host1 trial")
	h.check(h.awaitStray())
	// A key that shows at once, unless it gets nowhere.
	s.press("?")
	cut := time.Now()
	end := cut
	h.await(func() error {
		time.Sleep(100 * time.Millisecond) // nothing tells of the end
		shown, names := s.shows("this help"), h.names()
		if names == nil {
			return nil
		}
		end = time.Now()
		if shown {
			t.Fatal("a key reaches the host, whose interface is taken")
		}
		return fmt.Errorf("after a trial of %v: %q", shortTrial, names)
	})
	if heard := s.lastOutput(); heard.After(cut.Add(end.Sub(cut) / 2)) {
		t.Errorf("the session is not cut off: the screen changed %v after the end of the pair", end.Sub(heard))
	}

	s.await("the key of then", "this help")
	s.press(escape)
	s.awaitText("no help", func(text string) bool { return !strings.Contains(text, "this help") })
	s.await("the pairs of before", "press a to add")
	s.awaitTick()
	h.lists()
	s.press("q")
	s.ended(0)
	h.awaitBare(h.hub, "host0", "host1")
}

// awaitStray waits for a frame of the session to come out at the wrong end.
func (h *sshHost) awaitStray() error {
	for deadline := time.Now().Add(patience); ; {
		frame, err := h.other.Receive(deadline)
		if err != nil {
			return fmt.Errorf("nothing of the session goes astray: %w", err)
		}
		const (
			ipv4        = 0x0800
			headers     = 14 + 20
			sourceAt    = 14 + 12
			sshdPort    = 22
			destination = headers + 2
		)
		if len(frame) >= headers+4 && binary.BigEndian.Uint16(frame[12:]) == ipv4 &&
			bytes.Equal(frame[sourceAt:sourceAt+4], []byte{10, 0, 0, 1}) &&
			binary.BigEndian.Uint16(frame[destination:]) == sshdPort {
			return nil
		}
	}
}

// require skips the test where a program is not installed.
func require(t *testing.T, program, debianPackage string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err == nil {
		return path
	}
	if os.Getenv("EBPFTOP_TEST_REQUIRE_ROOT") == "1" {
		t.Fatalf("%v, and EBPFTOP_TEST_REQUIRE_ROOT=1 forbids to skip: install %s", err, debianPackage)
	}
	t.Skipf("%v: install %s", err, debianPackage)
	return ""
}
