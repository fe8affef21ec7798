package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ebpftop/ebpftop/probes/doctor"
)

func TestFindingsFitEightyColumns(t *testing.T) {
	long := strings.Repeat("reason after reason, ", 12) + strings.Repeat("x", 200)
	findings := []doctor.Finding{
		{Name: "one", Status: doctor.StatusOK, Required: true, Detail: "fine"},
		{Name: "two", Status: doctor.StatusMissing, Detail: long, Cost: long, Remedy: long},
		{Name: "three", Status: doctor.StatusMissing, Required: true, Detail: "gone", Cost: "all", Remedy: "none"},
		{Name: "four", Status: doctor.StatusUnknown, Detail: "hidden", Remedy: "look again"},
	}
	var b strings.Builder
	if err := showFindings(&b, findings); err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(b.String()) {
		if line = strings.TrimSuffix(line, "\n"); utf8.RuneCountInString(line) > 80 || strings.TrimRight(line, " ") != line {
			t.Errorf("line %q", line)
		}
	}
	for _, want := range []string{"ok        one  ", "missing   two  ", "missing ! three", "unknown   four ", "marked with !: three."} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in:\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "look again") {
		t.Error("a remedy for what may be well")
	}
}
