package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
)

// over runs ebpftop in a session of the client, without a terminal.
func (h *sshHost) over(args ...string) *exec.Cmd {
	h.t.Helper()
	return h.ssh(strings.Join(append([]string{"env", beEbpftop + "=1", ebpftop(h.t).Path}, args...), " "))
}

const carries = "host0 carries your SSH session (client " + clientAddress + ")"

// TestGuard has each command that connects take the interface that the caller's session
// runs over: it is refused with what to do, and connects nothing.
func TestGuard(t *testing.T) {
	h := newSSHHost(t)
	file := newLinksFile(t, "host0: host1")
	for name, test := range map[string]struct {
		args   []string
		advice string
	}{
		"add":     {[]string{"xconnect", "add", "host1", "host0"}, "--trial 30s"},
		"apply":   {[]string{"xconnect", "apply", "-f", file.path}, "--trial 30s"},
		"run":     {[]string{"xconnect", "run", "-f", file.path}, "--yes"},
		"--links": {[]string{"--links", file.path}, "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			got := finish(t, h.client, h.over(test.args...))
			wantOneLine(t, got, carries, test.advice)
			h.lists()
		})
	}
}

// TestGuardLetsPass has nothing refused that does not cut off the session for good.
func TestGuardLetsPass(t *testing.T) {
	h := newSSHHost(t)
	works := func(cmd *exec.Cmd) {
		t.Helper()
		if got := finish(t, h.client, cmd); got.status != 0 {
			t.Errorf("%v: status %d: %s", cmd.Args, got.status, got.errOut)
		}
	}
	works(h.over("xconnect", "add", "host1", "host1"))
	h.awaitList("host1-host1 active")
	// What is there already is no change.
	file := newLinksFile(t, "host1: host1")
	works(h.over("xconnect", "apply", "-f", file.path))
	works(h.over("xconnect", "del", "host1"))

	// The session hangs meanwhile, but its trial ends.
	trial := h.over("xconnect", "add", "host0", "host0", "--trial", shortTrial.String())
	h.check(h.client.Start(trial))
	h.awaitList("host0-host0 trial")
	h.check(trial.Wait())
	h.awaitList()

	yes := h.over("xconnect", "add", "host0", "host0", "--yes")
	h.check(h.client.Start(yes))
	h.awaitList("host0-host0 active")
	h.run("del", "host0")
	h.check(yes.Wait())
}

// TestGuardFollows has a file change to what would cut off the session: the links stay as
// they are, and one line says why.
func TestGuardFollows(t *testing.T) {
	h := newSSHHost(t)
	file := newLinksFile(t, "host1: host1")
	r := &runner{
		b: &bench{t: t, hub: h.client}, cmd: h.over("xconnect", "run", "-f", file.path), said: make(chan string, 1000),
	}
	r.start()
	h.awaitList("host1-host1 active")
	file.swap("host0: host1")
	r.awaitWords(carries, "the last good links go on")
	h.lists("host1-host1 active")
	r.end(syscall.SIGKILL)
}

// TestGuardOfUnknownSession may not look at who has which connection, and so cannot tell.
func TestGuardOfUnknownSession(t *testing.T) {
	h := newSSHHost(t)
	self := publicCopy(t, ebpftop(t).Path)
	file := filepath.Join(filepath.Dir(self), "links.yaml")
	h.check(os.WriteFile(file, []byte("links:\n  host1: host1\n"), 0o644))
	const watching = "+bpf,+perfmon,+net_admin,+net_raw"
	as := require(t, "setpriv", "util-linux") + " --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all," + watching +
		" --ambient-caps=-all," + watching
	got := finish(t, h.client, h.ssh(as+" env "+beEbpftop+"=1 "+self+" xconnect run -f "+file))
	wantOneLine(t, got, "your SSH session may run over host1, that is not known", "--yes")
	h.lists()
}

// TestGuardOfServices has no session to guard: what nobody sits at, as under systemd or
// cron, connects what it is told to, though somebody else has a session there.
func TestGuardOfServices(t *testing.T) {
	h := newSSHHost(t)
	service := func() {
		t.Helper()
		// Its parent ends at once, so that init is the only ancestor.
		cmd := exec.Command(require(t, "setsid", "util-linux"), "--fork", ebpftop(t).Path, "xconnect", "add", "host0", "host0")
		cmd.Env = []string{beEbpftop + "=1"}
		h.check(h.hub.Start(cmd))
		h.check(cmd.Wait())
	}
	h.login("--interval", "100ms").await("the interfaces", "host0", "host1")
	service()
	h.awaitList("host0-host0 active")
	h.run("del", "host0")

	// With a terminal, somebody may sit there: as under tmux.
	master, terminal, err := pty.Open()
	h.check(err)
	defer master.Close()
	defer terminal.Close()
	cmd := ebpftop(t, "xconnect", "add", "host0", "host0")
	cmd.Stdin = terminal
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	wantOneLine(t, finish(t, h.hub, cmd), carries)
	h.lists()
}

// TestUnknownSession has the processes killed that could tell what the session runs over:
// the form asks for the name all the same, and proposes a trial.
func TestUnknownSession(t *testing.T) {
	h := newSSHHost(t)
	s := h.login("--interval", "100ms")
	s.await("the interfaces", "host0", "host1")
	for _, pid := range append(h.processes(superviseCommand), h.processes(inspectCommand)...) {
		h.check(syscall.Kill(pid, syscall.SIGKILL))
	}
	s.await("what is wrong", "others unknown")
	s.await("what to do", "start ebpftop again")
	s.fill(form{a: "host1", b: "host0"})
	s.await("a warning", "Cannot tell whether your SSH session runs over host1 or host0")
	s.await("a trial", "trial", "after 30s")
	s.await("a question", "Type host1 to apply this")
	s.press(enter)
	s.await("a refusal", "your own session may run over host1: type its name to go on")
	h.lists()
	s.press(escape)
	s.await("the form", "step 1 of 2")
	s.press(escape)
	s.awaitText("no form", func(text string) bool { return !strings.Contains(text, "step 1 of 2") })
	s.press("q")
	s.ended(0)
}
