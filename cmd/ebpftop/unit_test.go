package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
)

// TestUnit: systemd understands every line of the unit of `xconnect run`, it has the
// capabilities that this keeps by itself and no others, and its exposure is what docs/install.md
// says.
func TestUnit(t *testing.T) {
	const mostExposure = 2.6 // of 10, by systemd 252; later ones say less
	unit, err := os.ReadFile(packaging + "/systemd/ebpftop-xconnect@.service")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, value := range append(slices.Clone(confine.Watching), libcap.DAC_READ_SEARCH) {
		want = append(want, strings.ToUpper(value.String()))
	}
	slices.Sort(want)
	for _, name := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
		line := regexp.MustCompile(`(?m)^` + name + `=(.*)$`).FindSubmatch(unit)
		if line == nil {
			t.Fatalf("no %s", name)
		}
		got := strings.Fields(string(line[1]))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", name, got, want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze (Debian: systemd)")
	}
	// What is executed is not installed here.
	path := filepath.Join(t.TempDir(), "ebpftop-xconnect@.service")
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(unit), "/usr/bin/ebpftop", "/bin/true")), 0o600); err != nil {
		t.Fatal(err)
	}
	said, err := exec.Command(analyze, "--man=no", "verify", path).CombinedOutput()
	if err != nil {
		t.Error(err)
	}
	for line := range strings.Lines(string(said)) {
		// Before systemd 253.
		if !strings.Contains(line, "ignoring: notify-reload") && strings.Contains(line, "ebpftop") {
			t.Errorf("systemd-analyze verify: %s", line)
		}
	}
	said, err = exec.Command(analyze, "security", "--offline=true", path).CombinedOutput()
	exposure := regexp.MustCompile(`exposure level for \S+: (\S+) `).FindSubmatch(said)
	if err != nil || exposure == nil {
		t.Fatalf("systemd-analyze security: %v, %s", err, said)
	}
	if level, err := strconv.ParseFloat(string(exposure[1]), 64); err != nil || level > mostExposure {
		t.Errorf("exposure %s, %v, want %v at most", exposure[1], err, mostExposure)
	}
}
