package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/charmbracelet/x/ansi"
	"github.com/creack/pty"
	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// mark is in the sequences of others, and in none of ours.
const mark = "4242"

// hostileText drives a terminal in every way it can be, and hides what it does.
const hostileText = "\x1b]0;" + mark + "\a\x1b[" + mark + ";31m\x1bP" + mark + "\x1b\\\u009b" + mark + "m\x9b\u202e\u2066\u200b\u2028\u3164\U000e0041\x7f\r\b\xff\n%s"

// hostileNames are of interfaces: the kernel forbids slashes, colons, blanks
// and percent signs.
var hostileNames = []string{"\x1b[" + mark + "m\x1b[2J", "\u009b" + mark + "m\u202e\xff\x07", "-rf;$(id)|", `"'$(x)\`}

// errDrives finds what a terminal would obey, or could not show.
func errDrives(text string) error {
	if !utf8.ValidString(text) {
		return fmt.Errorf("broken UTF-8 in %q", text)
	}
	i := strings.IndexFunc(text, func(r rune) bool {
		return r != '\n' && (!unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector))
	})
	if i >= 0 {
		return fmt.Errorf("%q in %q", text[i:min(len(text), i+4)], text)
	}
	return nil
}

// FuzzArguments has cobra read any arguments: its errors and its help are fit
// for a terminal. Nothing is run.
func FuzzArguments(f *testing.F) {
	for _, command := range []string{"", "stats", "doctor", "demo", "version", "inspect", "xconnect", "xconnect add", "xconnect run"} {
		for _, argument := range []string{"%s", "--%s", "-%s", "--interval=%s", "--port=%s", "--json=%s", "-f%s", "--help=%s", "help %s"} {
			f.Add(command, fmt.Sprintf(argument, hostileText))
		}
	}
	f.Fuzz(func(t *testing.T, command, argument string) {
		if strings.Contains(command, cobra.ShellCompRequestCmd) || strings.Contains(argument, cobra.ShellCompRequestCmd) {
			t.Skip("the shell reads what that prints")
		}
		root := newRootCommand()
		disarm(root)
		var out bytes.Buffer
		root.SetOut(&out)
		root.SetErr(&out)
		root.SetArgs(append(strings.Fields(command), argument))
		if err := root.Execute(); err != nil {
			out.WriteString(oneLine(err))
			if strings.Contains(oneLine(err), "\n") {
				t.Errorf("more than a line: %q", oneLine(err))
			}
		}
		if err := errDrives(out.String()); err != nil {
			t.Error(err)
		}
	})
}

// disarm makes all commands do nothing.
func disarm(cmd *cobra.Command) {
	if cmd.RunE != nil {
		cmd.RunE = func(*cobra.Command, []string) error { return nil }
	}
	for _, sub := range cmd.Commands() {
		disarm(sub)
	}
}

// TestHostileArguments gets past cobra.
func TestHostileArguments(t *testing.T) {
	hub := newHub(t)
	file := filepath.Join(t.TempDir(), "links\x1b["+mark+"m\u202e")
	if err := os.WriteFile(file, []byte("links: {? \"\\e["+mark+"m\xff\": x}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"stats", "-i", hostileText},
		{"stats", "-i", "[" + hostileText},
		{"stats", "--hook", hostileText},
		{"--links", hostileText},
		{"xconnect", "add", hostileText, hostileText},
		{"xconnect", "add", hostileNames[0], hostileNames[1]},
		{"xconnect", "add", "a", "b", "--datapath", hostileText},
		{"xconnect", "del", hostileText},
		{"xconnect", "del", hostileText, hostileText},
		{"xconnect", "apply", "-f", file},
		{"xconnect", "run", "-f", file},
		{"xconnect", hostileText},
	} {
		got := finish(t, hub, ebpftop(t, args...))
		wantOneLine(t, got)
		if err := errDrives(got.out + got.errOut); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
}

// TestHostileNames has interfaces and programs of hostile names, and looks at
// what all commands make of them.
func TestHostileNames(t *testing.T) {
	hub, far := newHub(t), labtest.Namespace(t)
	for i, name := range hostileNames {
		if err := lab.QuietVeth(hub, name, far, fmt.Sprint("far", i)); err != nil {
			t.Fatalf("%q: %v", name, err)
		}
	}
	t.Run("xconnect", func(t *testing.T) {
		for _, args := range [][]string{
			{"add", hostileNames[0], hostileNames[1]},
			{"add", "--", hostileNames[2], hostileNames[3]},
			{"list"},
			{"list", "--json"},
		} {
			got := finish(t, hub, ebpftop(t, append([]string{"xconnect"}, args...)...))
			if err := errDrives(got.out); got.status != 0 || err != nil || got.errOut != "" {
				t.Errorf("%q: status %d, %s (%v)", args, got.status, got.errOut, err)
			}
			if args[0] == "list" && strings.Count(got.out, mark) < 2 {
				t.Errorf("does not list them: %s", got.out)
			}
		}
	})
	t.Run("table", func(t *testing.T) {
		got := finish(t, hub, ebpftop(t, "stats", "--count", "2", "--interval", "50ms"))
		if err := errDrives(got.out); got.status != 0 || err != nil || strings.Count(got.out, mark) < 2 {
			t.Errorf("status %d, %s (%v): %s", got.status, got.errOut, err, got.out)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		s := openStats(t, hub)
		programs := startHostile(t)
		var seen []string
		s.until(func(o sample) bool {
			if err := errDrives(s.lines.Text()); err != nil {
				t.Fatal(err)
			}
			for _, e := range o.Execs.Events {
				if strings.HasPrefix(e.Filename, programs) {
					seen = append(seen, e.Args[0])
				}
			}
			return len(seen) == hostilePrograms
		})
		for i, name := range seen {
			if want := strings.ToValidUTF8(hostileArgument(i), "\ufffd"); !slices.Contains(seen, want) {
				t.Fatalf("program %d of %q is not listed, %q is", i, want, name)
			}
		}
		s.stop(syscall.SIGTERM)
	})
	t.Run("screen", func(t *testing.T) {
		raw := watchRaw(t, hub, func() { startHostile(t) })
		for sequence := range sequences(raw) {
			if strings.Contains(sequence, mark) || sequence == "\a" || len(sequence) == 1 && sequence[0] >= 0x7f {
				t.Errorf("%q reached the terminal", sequence)
			}
		}
		if err := errDrives(strings.NewReplacer("\r", "", "\t", "", "\b", "").Replace(ansi.Strip(raw))); err != nil {
			t.Error(err)
		}
	})
}

const hostilePrograms = 200

func hostileArgument(i int) string { return hostileText + strconv.Itoa(i) }

// startHostile runs that many programs at a time whose names, arguments and
// variables are hostile, until the test ends. It returns what their file names
// begin with.
func startHostile(t *testing.T) (prefix string) {
	t.Helper()
	prefix = filepath.Join(t.TempDir(), "\x1b["+mark+";5m\u202e\n) R 1 (sshd")
	if err := os.Symlink("/bin/sleep", prefix); err != nil {
		t.Fatal(err)
	}
	for i := range hostilePrograms {
		cmd := exec.CommandContext(t.Context(), prefix, "60")
		cmd.Args[0] = hostileArgument(i)
		cmd.Env = []string{"SSH_CONNECTION=" + hostileText, "LC_ALL=" + hostileText}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
		})
	}
	return prefix
}

// watchRaw runs the dashboard while something happens, and returns all that the
// terminal was sent.
func watchRaw(t *testing.T, in *lab.Namespace, happens func()) string {
	t.Helper()
	ptmx, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer ptmx.Close()
	if err := pty.Setsize(ptmx, &pty.Winsize{Cols: screenWidth, Rows: screenHeight}); err != nil {
		t.Fatal(err)
	}
	var errOut bytes.Buffer
	cmd := ebpftop(t, "--interval", "100ms")
	cmd.Env = append(cmd.Env, screenEnvironment...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = tty, tty, &errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := errors.Join(in.Start(cmd), tty.Close()); err != nil {
		t.Fatal(err)
	}
	raw := &rawOutput{grown: make(chan struct{}, 1)}
	read := make(chan struct{})
	go func() {
		defer close(read)
		_, _ = io.Copy(raw, ptmx) // until the last descriptor of the other end is closed
	}()
	raw.await(t, "mem") // the first sample
	happens()
	raw.await(t, `\x1b]0;`+mark)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if status := status(t, cmd.Wait()); status != 0 || errOut.Len() > 0 {
		t.Errorf("status %d, %q", status, errOut.String())
	}
	<-read
	return raw.sofar()
}

// rawOutput is what a terminal is sent.
type rawOutput struct {
	mu    sync.Mutex
	text  strings.Builder
	grown chan struct{}
}

func (r *rawOutput) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case r.grown <- struct{}{}:
	default:
	}
	return r.text.Write(p)
}

func (r *rawOutput) sofar() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.text.String()
}

func (r *rawOutput) await(t *testing.T, text string) {
	t.Helper()
	for timeout := time.After(patience); !strings.Contains(r.sofar(), text); {
		select {
		case <-r.grown:
		case <-timeout:
			t.Fatalf("%q is not shown: %q", text, r.sofar())
		}
	}
}

// sequences yields all that is no plain text.
func sequences(raw string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		var state byte
		for len(raw) > 0 {
			sequence, width, n, next := ansi.DecodeSequence(raw, state, nil)
			if width == 0 && !yield(sequence) {
				return
			}
			raw, state = raw[n:], next
		}
	}
}

// FuzzJSON prints whatever others call themselves: no terminal obeys it, and a
// script reads what it was.
func FuzzJSON(f *testing.F) {
	for _, text := range append([]string{hostileText, "é\ufe0f", ""}, hostileNames...) {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, indent := range []string{"", "  "} {
			var out strings.Builder
			if err := writeJSON(&out, []string{text}, indent); err != nil {
				t.Fatal(err)
			}
			if err := errDrives(out.String()); err != nil {
				t.Error(err)
			}
			var got []string
			if err := json.Unmarshal([]byte(out.String()), &got); err != nil {
				t.Fatal(err)
			}
			if utf8.ValidString(text) && got[0] != text {
				t.Errorf("%q became %q", text, got[0])
			}
		}
	})
}
