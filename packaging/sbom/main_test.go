package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

// TestDescribe lists each module once, with version, licence and hash.
func TestDescribe(t *testing.T) {
	info := &debug.BuildInfo{
		GoVersion: "go1.26.8",
		Main:      debug.Module{Path: "example.org/a", Version: "v1.2.3"},
		Deps:      []*debug.Module{{Path: "example.org/b_c", Version: "v0.1.0", Sum: "h1:x="}},
		Settings:  []debug.BuildSetting{{Key: "GOOS", Value: "linux"}, {Key: "GOARCH", Value: "s390x"}},
	}
	licences := map[string]string{"std": "BSD-3-Clause"}
	if _, err := describe(info, licences, [32]byte{}); err == nil || !strings.Contains(err.Error(), "-buildvcs=true") {
		t.Errorf("without a commit: %v", err)
	}
	info.Settings = append(info.Settings, debug.BuildSetting{Key: "vcs.revision", Value: "abc"},
		debug.BuildSetting{Key: "vcs.time", Value: "2026-01-02T03:04:05Z"})
	if _, err := describe(info, licences, [32]byte{}); err == nil || !strings.Contains(err.Error(), "make licences") {
		t.Errorf("without a licence: %v", err)
	}
	licences["example.org/b_c"] = "MIT"
	d, err := describe(info, licences, [32]byte{1})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"spdxVersion":"SPDX-2.3"`, `"name":"ebpftop-v1.2.3-linux-s390x"`, `"created":"2026-01-02T03:04:05Z"`,
		`"checksumValue":"01000000`, `"pkg:golang/std@1.26.8"`, `"pkg:golang/example.org/b_c@v0.1.0"`,
		`"SPDXID":"SPDXRef-example.org-b-c"`, `"sourceInfo":"go.sum h1:x="`, `"sourceInfo":"commit abc"`,
		`{"spdxElementId":"SPDXRef-example.org-a","relationshipType":"STATIC_LINK","relatedSpdxElement":"SPDXRef-example.org-b-c"}`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}

// TestReadLicences reads the file that there is, and no other.
func TestReadLicences(t *testing.T) {
	licences, err := readLicences("../../.github/licences")
	if err != nil || licences["std"] != "BSD-3-Clause" || licences["github.com/spf13/cobra"] != "Apache-2.0" {
		t.Errorf("%v, %v", licences, err)
	}
	path := filepath.Join(t.TempDir(), "licences")
	if err := os.WriteFile(path, []byte("one two\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := readLicences(path); err == nil {
		t.Error("a line of two words is none")
	}
}
