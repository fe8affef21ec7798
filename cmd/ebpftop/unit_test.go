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

// TestUnit: systemd understands every line of the units, they have the capabilities that their
// commands keep by themselves, or fewer, and no others, and their exposure, of 10, by systemd
// 252, is what docs/install.md and docs/serve.md say. Later systemds say less.
func TestUnit(t *testing.T) {
	testUnit(t, "ebpftop-xconnect@.service", append(slices.Clone(confine.Watching), libcap.DAC_READ_SEARCH), 2.6)
	testUnit(t, "ebpftop-serve.service", confine.Serving, 2.1)
}

func testUnit(t *testing.T, name string, capabilities []libcap.Value, mostExposure float64) {
	t.Helper()
	unit, err := os.ReadFile(packaging + "/systemd/" + name)
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, value := range capabilities {
		want = append(want, strings.ToUpper(value.String()))
	}
	slices.Sort(want)
	for _, set := range []string{"AmbientCapabilities", "CapabilityBoundingSet"} {
		line := regexp.MustCompile(`(?m)^` + set + `=(.*)$`).FindSubmatch(unit)
		if line == nil {
			t.Fatalf("%s: no %s", name, set)
		}
		got := strings.Fields(string(line[1]))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s: %s: got %q, want %q", name, set, got, want)
		}
	}
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze (Debian: systemd)")
	}
	// What is executed is not installed here.
	path := filepath.Join(t.TempDir(), name)
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
		t.Errorf("%s: exposure %s, %v, want %v at most", name, exposure[1], err, mostExposure)
	}
}
