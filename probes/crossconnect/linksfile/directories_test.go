package linksfile

import (
	"os"
	"slices"
	"testing"
)

// TestDirectories of a file that a volume of Kubernetes would hold.
func TestDirectories(t *testing.T) {
	folder := t.TempDir()
	for link, target := range map[string]string{
		"links.yaml": "..data/links.yaml",
		"..data":     "..2026",
		"absolute":   "/etc/ebpftop/links.yaml",
		"endless":    "endless",
		"current":    "releases/1",
	} {
		if err := os.Symlink(target, folder+"/"+link); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string][]string{
		"plain":              {folder},
		"links.yaml":         {folder, folder + "/..2026"},
		"absolute":           {folder, "/etc/ebpftop"},
		"current/links.yaml": {folder, folder + "/releases/1"},
	} {
		got, err := Directories(folder + "/" + name)
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %q, %v, want %q", name, got, err, want)
		}
	}
	if got, err := Directories(folder + "/endless"); err != nil || len(got) > maxSymlinks {
		t.Errorf("endless: %d directories, %v", len(got), err)
	}
}
