package main

import (
	"bytes"
	"flag"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/settings"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
)

var writePackaged = flag.Bool("write-packaged", false, "write what packages hold of the commands: manual pages, completions, settings")

// packaging is the folder of what packages hold besides the binary.
const packaging = "../../packaging"

// TestPackaged compares what packages hold of the commands with what these say today, in
// folders that hold nothing else. `make man` writes it anew.
func TestPackaged(t *testing.T) {
	want := map[string]string{"examples/config.yaml": said(t, "config", "default")}
	for shell, name := range map[string]string{"bash": "ebpftop.bash", "zsh": "_ebpftop", "fish": "ebpftop.fish"} {
		want["completions/"+name] = said(t, "completion", shell)
	}
	for name, page := range manPages(newRootCommand()) {
		want["man/"+name] = page
	}
	if *writePackaged {
		for name, text := range want {
			if err := os.WriteFile(filepath.Join(packaging, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		got, err := os.ReadFile(filepath.Join(packaging, name))
		if err != nil || string(got) != want[name] {
			t.Errorf("packaging/%s is not what the commands say: run `make man` (%v)", name, err)
		}
	}
	for _, folder := range []string{"man", "completions"} {
		entries, err := os.ReadDir(filepath.Join(packaging, folder))
		if err != nil {
			t.Fatal(err)
		}
		for _, entry := range entries {
			if want[folder+"/"+entry.Name()] == "" {
				t.Errorf("packaging/%s/%s is of no command: remove it", folder, entry.Name())
			}
		}
	}
}

func said(t *testing.T, args ...string) string {
	t.Helper()
	var out bytes.Buffer
	if status := run(args, nil, &out, io.Discard); status != 0 {
		t.Fatalf("%q: status %d", args, status)
	}
	return out.String()
}

// TestManPagesRender without a warning.
func TestManPagesRender(t *testing.T) {
	man, err := exec.LookPath("man")
	if err != nil {
		t.Skip("needs man (Debian: man-db)")
	}
	for name, page := range manPages(newRootCommand()) {
		cmd := exec.Command(man, "--warnings=all", "--encoding=UTF-8", "--local-file", "-")
		cmd.Stdin, cmd.Env = strings.NewReader(page), append(os.Environ(), "MANWIDTH=80", "LC_ALL=C.UTF-8", "PAGER=cat")
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		out, err := cmd.Output()
		if err != nil || errOut.Len() > 0 || !bytes.Contains(out, []byte("NAME")) {
			t.Errorf("%s: %v, %s", name, err, errOut.String())
		}
	}
}

// TestExamples that packages hold can be used as they are, and so can the one in the manual
// page, and what they ask for is what their comments say.
func TestExamples(t *testing.T) {
	links, err := os.ReadFile(packaging + "/examples/links.yaml")
	if err != nil {
		t.Fatal(err)
	}
	anyName := func(string) error { return nil }
	for name, text := range map[string]string{"links.yaml": string(links), "ebpftop-links(5)": linksExample} {
		if pairs, err := linksfile.Parse(name, []byte(text), anyName); err != nil || len(pairs) != 3 {
			t.Errorf("%d pairs, %v", len(pairs), err)
		}
	}
	config := said(t, "config", "default")
	for _, line := range strings.Split(config, "\n") {
		if line != "" && line[0] != '#' {
			t.Errorf("%q sets something", line)
		}
	}
	path := filepath.Join(t.TempDir(), "config.yaml")
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	var watch watchFlags
	watch.define(defaultDashboardInterval)
	if _, err := settings.Load(t.Context(), path, watch.set); err != nil {
		t.Error(err)
	}
}

// TestFlagsComplete: each flag that takes words completes them, or is one of these.
func TestFlagsComplete(t *testing.T) {
	anyWords := []string{"filter", "exit-over"}
	used := make(map[string]bool)
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		cmd.Flags().VisitAll(func(flag *pflag.Flag) {
			used[flag.Name] = true
			isWords := slices.Contains([]string{"string", "stringArray", "stringSlice", "stringToString"}, flag.Value.Type())
			if isWords && flagValues[flag.Name] == nil && !slices.Contains(anyWords, flag.Name) {
				t.Errorf("%s --%s completes nothing: add it to flagValues", cmd.CommandPath(), flag.Name)
			}
		})
		for _, sub := range cmd.Commands() {
			if !sub.Hidden { // else it is for ebpftop itself
				check(sub)
			}
		}
	}
	check(newRootCommand())
	for name := range flagValues {
		if !used[name] {
			t.Errorf("--%s is a flag of no command: remove it from flagValues", name)
		}
	}
	for args, want := range map[string]string{
		"stats -i ":                  "lo",
		"-i lo,":                     "lo,lo",
		"serve --listen ":            "systemd",
		"serve --web.config.file ":   "yaml",
		"xconnect add lo ":           "lo",
		"stats --hook ":              "xdp-generic",
		"xconnect add --datapath ":   "xdp-generic",
		"xconnect run --log-format ": "json",
		"xconnect apply -f ":         "yaml",
		"completion ":                "fish",
		"xconnect ":                  "rollback",
	} {
		words := strings.Split("__complete "+args, " ")
		lines := strings.Split(said(t, words...), "\n")
		if !slices.ContainsFunc(lines, func(line string) bool { word, _, _ := strings.Cut(line, "\t"); return word == want }) {
			t.Errorf("%q completes %q, want %q among them", args, lines, want)
		}
	}
}
