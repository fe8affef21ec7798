package saver

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestCreate makes no file in the place of another, and none through a link.
func TestCreate(t *testing.T) {
	path, now := t.TempDir(), time.Date(2026, 3, 14, 15, 9, 26, 0, time.UTC)
	elsewhere := filepath.Join(t.TempDir(), "elsewhere")
	if err := os.WriteFile(filepath.Join(path, "ebpftop-20260314-150926.txt"), []byte("mine"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(elsewhere, filepath.Join(path, "ebpftop-20260314-150926-2.txt")); err != nil {
		t.Fatal(err)
	}
	directory, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer directory.Close()
	descriptor, name, err := create(int(directory.Fd()), now)
	if err != nil || name != "ebpftop-20260314-150926-3.txt" {
		t.Fatalf("made %q: %v", name, err)
	}
	defer unix.Close(descriptor)
	if info, err := os.Stat(filepath.Join(path, name)); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if text, err := os.ReadFile(filepath.Join(path, "ebpftop-20260314-150926.txt")); string(text) != "mine" {
		t.Errorf("the file that was there has %q (%v)", text, err)
	}
	if _, err := os.Lstat(elsewhere); err == nil {
		t.Error("made a file through a link")
	}
	for range mostNames - 3 {
		descriptor, _, err := create(int(directory.Fd()), now)
		if err != nil {
			t.Fatal(err)
		}
		unix.Close(descriptor)
	}
	if _, _, err := create(int(directory.Fd()), now); err != unix.EEXIST {
		t.Errorf("with all names taken: %v", err)
	}
}
