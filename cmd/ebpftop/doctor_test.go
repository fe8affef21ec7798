package main

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ebpftop/ebpftop/probes/doctor"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestDoctorSeesAsMuch: the command finds what its process does before it is confined.
func TestDoctorSeesAsMuch(t *testing.T) {
	labtest.RequireRoot(t)
	in := labtest.Namespace(t)
	got := finish(t, in, ebpftop(t, "doctor", "--json"))
	var findings []doctor.Finding
	if err := json.Unmarshal([]byte(got.out), &findings); err != nil {
		t.Fatalf("%v: %s%s", err, got.out, got.errOut)
	}
	var here []doctor.Finding
	if err := in.Do(func() error {
		here = doctor.Diagnose()
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for _, want := range here {
		at := slices.IndexFunc(findings, func(f doctor.Finding) bool { return f.Name == want.Name })
		if at < 0 || findings[at].Status != want.Status {
			t.Errorf("want %s %s: %+v", want.Name, want.Status, findings)
		}
	}
}

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
