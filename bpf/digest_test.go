package bpf

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"os"
	"path/filepath"
	"testing"
)

// TestDigest is that of all objects in this folder.
func TestDigest(t *testing.T) {
	objects := "*_bpfel.o"
	if binary.NativeEndian.Uint16([]byte{0, 1}) == 1 {
		objects = "*_bpfeb.o"
	}
	names, err := filepath.Glob(objects) // sorted
	if err != nil {
		t.Fatal(err)
	}
	hash := sha256.New()
	for _, name := range names {
		object, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		hash.Write(object)
	}
	if want := hex.EncodeToString(hash.Sum(nil)); Digest() != want || len(names) == 0 {
		t.Errorf("got %s, want %s of %q", Digest(), want, names)
	}
}
