package ui

import (
	"testing"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

func TestUnitsOfRates(t *testing.T) {
	for _, test := range []struct {
		units              Units
		bps                float64
		text, short, inCol string
	}{
		{UnitsBits, 0, "0 bit/s", "0", "0  "},
		{"", 8192, "8.19 kbit/s", "8.19 k", "8.19 k"},
		{UnitsBits, 8192, "8.19 kbit/s", "8.19 k", "8.19 k"},
		{UnitsBytes, 8192, "1.02 kB/s", "1.02 k", "1.02 k"},
		{UnitsBitsIEC, 8192, "8.00 Kibit/s", "8.00 Ki", "8.00Ki"},
		{UnitsBytesIEC, 8192, "1.00 KiB/s", "1.00 Ki", "1.00Ki"},
		{UnitsBytesIEC, 8 * 1010, "0.99 KiB/s", "0.99 Ki", "0.99Ki"},
		{UnitsBytesIEC, 8 * 999, "999 B/s", "999", "999  "},
		{UnitsBytesIEC, 8 * 1023 * 1024, "1.00 MiB/s", "1.00 Mi", "1.00Mi"},
		{UnitsBitsIEC, 999 * 1024, "999 Kibit/s", "999 Ki", "999Ki"},
	} {
		s := styleSet{units: test.units}
		if text, short, inCol := s.units.rate(test.bps), s.units.shortRate(test.bps), s.rate(test.bps).text; text != test.text || short != test.short || inCol != test.inCol {
			t.Errorf("%s: %v is %q, %q and %q in a column, want %q, %q and %q", test.units, test.bps, text, short, inCol, test.text, test.short, test.inCol)
		}
	}
	for _, name := range []string{"", "bit", "BITS", "bits "} {
		if _, err := ParseUnits(name); err == nil {
			t.Errorf("%q is taken", name)
		}
	}
}

// TestKeysUnits changes them everywhere at once, headings, rows and details.
func TestKeysUnits(t *testing.T) {
	u := start(t, 80, 24, func(o *Options) { o.Units = UnitsBitsIEC })
	u.feed(fake.Sample(3))
	u.waitForText("rx bit/s")
	u.waitForText("Gi")
	u.press("b")
	u.waitForText("units: bytes-iec")
	u.waitForText("rx B/s")
	u.waitForNoText("bit/s")
	u.press("3", "z")
	u.waitForText("iB/s")
	u.press("b", "z")
	u.waitForText("rx bit/s")
	u.waitForNoText("Gi")
	u.press("b")
	u.waitForText("rx B/s")
	u.golden()
}

// TestKeysReset begins totals anew, which the header says.
func TestKeysReset(t *testing.T) {
	u := start(t, 80, 24)
	u.feed(livelySamples(41)...)
	u.press("2", "z")
	u.waitForText("received, last")
	u.press("x")
	u.waitForText("totals since 15:09:46")
	u.feed(fake.Sample(44))
	u.press("X")
	u.waitForNoText("totals since")
}
