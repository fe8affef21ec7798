package linksfile

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fsnotify/fsnotify"
)

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
