package procfs

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// TestTightestMemoryLimit: of the limits of both versions, and of all cgroups around, that
// counts which leaves least.
func TestTightestMemoryLimit(t *testing.T) {
	mounts := t.TempDir()
	write := func(cgroup string, files memoryFiles, limit string, usage, cached uint64) {
		folder := filepath.Join(mounts, cgroup)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range map[string]string{
			files.limit: limit + "\n", files.usage: fmt.Sprintln(usage),
			"memory.stat": fmt.Sprintf("anon 5\n%s %d\nslab 7\n%s %d\n", files.inactive, cached, files.active, cached),
		} {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	write("pods/one", memoryV2, "max", 100, 0)
	write("pods", memoryV2, "1000", 900, 50)
	write("memory/one", memoryV1, "700", 600, 10)
	write("memory/none", memoryV1, "9223372036854771712", 600, 10)
	write("unified/here", memoryV2, "60", 90, 10)
	for own, want := range map[string]MemoryLimit{
		"0::/pods/one\n":                      {File: mounts + "/pods/memory.max", Bytes: 1000, Room: 200},
		"0::/pods/one\n4:memory:/one\n":       {File: mounts + "/memory/one/memory.limit_in_bytes", Bytes: 700, Room: 120},
		"4:memory:/none\n3:cpu:/one\n0::/\n":  {},
		"0::/here\n":                          {File: mounts + "/unified/here/memory.max", Bytes: 60, Room: 0},
		"":                                    {},
		"nonsense\n0::/nowhere\n4:memory:/no": {},
	} {
		if got := tightestMemoryLimit(mounts, own); got != want {
			t.Errorf("%q: %+v, want %+v", own, got, want)
		}
	}
}
