package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/cilium/ebpf/features"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// The tests run the command as users do, as a process of its own: this test
// binary, told by its environment to be ebpftop.
const beEbpftop = "EBPFTOP_TEST_IS_COMMAND"

// tcHook is what --hook tc comes down to on the kernel at hand.
var (
	tcHook   = probes.HookTC
	allHooks = []probes.Hook{probes.HookTracepoint, probes.HookXDP, probes.HookTC, probes.HookClsact}
)

func TestMain(m *testing.M) {
	if version, err := features.LinuxVersionCode(); err == nil && version < 6<<16|6<<8 {
		tcHook = probes.HookClsact
		allHooks = []probes.Hook{probes.HookTracepoint, probes.HookXDP, probes.HookClsact}
	}
	if os.Getenv(beEbpftop) != "" {
		tellGoroutines()
		tellReads()
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	// Under nohup the tests ignore SIGHUP, and so would what they start: what
	// they catch, it does not inherit.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	os.Exit(m.Run())
}

const patience = 20 * time.Second

// ebpftop is the command with arguments, not yet started.
func ebpftop(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), beEbpftop+"=1")
	return cmd
}

// pair makes a host and a peer joined by a veth that is silent by itself.
func pair(t *testing.T) (host, peer *lab.Namespace) {
	t.Helper()
	labtest.RequireRoot(t)
	host, peer = labtest.Namespace(t), labtest.Namespace(t)
	if err := lab.QuietVeth(host, "host0", peer, "peer0"); err != nil {
		t.Fatal(err)
	}
	return host, peer
}

// finished is how a command ended.
type finished struct {
	status      int
	out, errOut string
}

// finish runs cmd to its end in a namespace.
func finish(t *testing.T, in *lab.Namespace, cmd *exec.Cmd) finished {
	t.Helper()
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := in.Start(cmd); err != nil {
		t.Fatal(err)
	}
	return finished{status: status(t, cmd.Wait()), out: out.String(), errOut: errOut.String()}
}

func status(t *testing.T, err error) int {
	t.Helper()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// stats is a running `ebpftop stats --json`.
type stats struct {
	t      *testing.T
	cmd    *exec.Cmd
	lines  *bufio.Scanner
	errOut bytes.Buffer
	pipe   io.Closer
}

// openStats starts it in a namespace and waits for the first object.
func openStats(t *testing.T, in *lab.Namespace, args ...string) *stats {
	t.Helper()
	s := newStats(t, args...)
	s.start(in)
	return s
}

// newStats is not yet started.
func newStats(t *testing.T, args ...string) *stats {
	t.Helper()
	s := &stats{t: t, cmd: ebpftop(t, append([]string{"stats", "--json", "--interval", "100ms"}, args...)...)}
	s.cmd.Stderr = &s.errOut
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	s.pipe = out
	s.lines = bufio.NewScanner(out)
	s.lines.Buffer(nil, 64<<20)
	return s
}

func (s *stats) start(in *lab.Namespace) {
	s.t.Helper()
	if err := in.Start(s.cmd); err != nil {
		s.t.Fatal(err)
	}
	s.next()
}

// sample is an object of stats with what the tests look at.
type sample struct {
	Interfaces []struct {
		Name       string      `json:"name"`
		Hook       probes.Hook `json:"hook"`
		HookReason string      `json:"hook_reason"`
		RXPackets  uint64      `json:"rx_packets"`
		TXPackets  uint64      `json:"tx_packets"`
	} `json:"interfaces"`
	Connections []struct {
		Remote    string `json:"remote"`
		RXPackets uint64 `json:"rx_packets"`
		State     string `json:"state"`
	} `json:"connections"`
	Execs struct {
		Total  uint64 `json:"total"`
		Events []struct {
			PPID     uint32   `json:"ppid"`
			Filename string   `json:"filename"`
			Args     []string `json:"args"`
		} `json:"events"`
	} `json:"execs"`
	Lost          probes.Lost           `json:"lost"`
	CrossConnects []crossconnect.Status `json:"cross_connects"`
	OthersUnknown string                `json:"others_unknown"`
}

func (s *stats) next() (object sample) {
	s.t.Helper()
	if !s.lines.Scan() {
		s.t.Fatalf("stats ended: %v, %s", errors.Join(s.lines.Err(), s.cmd.Wait()), s.errOut.String())
	}
	if err := json.Unmarshal(s.lines.Bytes(), &object); err != nil {
		s.t.Fatalf("%v in %s", err, s.lines.Text())
	}
	return object
}

// until reads objects until one fits, and fails with the last if none does.
func (s *stats) until(fits func(sample) bool) (object sample) {
	s.t.Helper()
	for deadline := time.Now().Add(patience); !fits(object); {
		if time.Now().After(deadline) {
			s.t.Fatalf("last object: %+v", object)
		}
		object = s.next()
	}
	return object
}

// stop ends stats with a signal and returns the exit status.
func (s *stats) stop(signal syscall.Signal) int {
	s.t.Helper()
	if err := s.cmd.Process.Signal(signal); err != nil {
		s.t.Fatal(err)
	}
	for s.lines.Scan() { // to the end, so that it is not killed by a full pipe
	}
	return status(s.t, s.cmd.Wait())
}

// wantOneLine expects a failure that is one clear line.
func wantOneLine(t *testing.T, got finished, words ...string) {
	t.Helper()
	if got.status == 0 || strings.Count(got.errOut, "\n") != 1 || !strings.HasPrefix(got.errOut, "ebpftop: ") {
		t.Errorf("status %d, error output %q: want one line and a status that is not 0", got.status, got.errOut)
	}
	for _, word := range words {
		if !strings.Contains(got.errOut, word) {
			t.Errorf("error %q does not mention %q", got.errOut, word)
		}
	}
}
