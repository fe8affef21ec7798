package linksfile

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fsnotify/fsnotify"
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

func TestNotifyWatchesTheWayAndNothingElse(t *testing.T) {
	notify, err := fsnotify.NewWatcher()
	must(t, err)
	defer notify.Close()
	top, err := filepath.EvalSymlinks(tempDir(t))
	must(t, err)
	for _, dir := range []string{"a", "b"} {
		must(t, os.MkdirAll(filepath.Join(top, dir, "sub"), 0o700))
	}
	path := filepath.Join(top, "now", "sub", "missing", "links.yaml")
	for _, dir := range []string{"a", "b"} {
		swap(t, dir, filepath.Join(top, "now"))
		notifyOfPath(notify, path)
		want := []string{filepath.Join(top, dir), filepath.Join(top, dir, "sub")}
		for up := top; ; up = filepath.Dir(up) {
			want = append(want, up)
			if up == "/" {
				break
			}
		}
		got := notify.WatchList()
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("now is %s: watched %q, want %q", dir, got, want)
		}
	}
}
