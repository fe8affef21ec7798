package labtest

import (
	"os"
	"testing"
)

func TestReport(t *testing.T) {
	path := t.TempDir() + "/report"
	if err := os.WriteFile(path, []byte("TestBefore: 1 things\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(reportVariable, path)
	Report(t, "frames compared", 2)
	got, err := os.ReadFile(path)
	if want := "TestBefore: 1 things\nTestReport: 2 frames compared\n"; string(got) != want || err != nil {
		t.Errorf("%q (%v), want %q", got, err, want)
	}
	t.Setenv(reportVariable, "")
	Report(t, "not asked for", 3)
}
