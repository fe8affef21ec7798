package ui

import (
	"math"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

func TestUnits(t *testing.T) {
	for v, want := range map[float64]string{
		0: "0  ", 1: "1  ", 0.5: "0.5  ", 9.96: "10  ", 999.4: "999  ", 999.6: "1.00 k", 1234: "1.23 k",
		9_999: "10.0 k", 12_345: "12.3 k", 99_960: "100 k", 999_499: "999 k", 999_999: "1.00 M", 1.23e9: "1.23 G",
		1.8e19: "18.0 E", -1: "-  ", math.NaN(): "-  ", math.Inf(1): "inf  ",
	} {
		if got := siColumn(v); got != want {
			t.Errorf("%v: got %q, want %q", v, got, want)
		}
	}
	for v := 0.001; v < 1e20; v *= 1.0137 {
		if got := siColumn(v); len(got) > 6 {
			t.Fatalf("%v: %q is too wide", v, got)
		}
	}
	if got := siUnit(1.234e9, "bit/s") + " " + siUnit(12, "pps"); got != "1.23 Gbit/s 12 pps" {
		t.Error(got)
	}
	for n, want := range map[uint64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567"} {
		if got := count(n); got != want {
			t.Errorf("%d: %s", n, got)
		}
	}
	for d, want := range map[time.Duration]string{
		-1: "0s", 3 * time.Second: "3s", 14 * time.Second: "10s", 59 * time.Second: "55s",
		5*time.Minute + 59*time.Second: "5m", 2 * time.Hour: "2h", 100 * time.Hour: "4d",
	} {
		if got := age(d); got != want {
			t.Errorf("%v: %s", d, got)
		}
	}
	if got := interval(100*time.Millisecond) + interval(time.Second) + interval(1500*time.Millisecond); got != "100ms1s1.5s" {
		t.Error(got)
	}
	if got := flags(probes.TCPFlags(0x12)); got != ".S..A." {
		t.Error(got)
	}
}

func TestFitMiddle(t *testing.T) {
	if got := fitMiddle("10.0.0.1:80", 12, "…"); got != "10.0.0.1:80 " {
		t.Error(got)
	}
	if got := fitMiddle("[2001:db8:cafe:17::1]:54663", 20, "…"); got != "[2001:db8…::1]:54663" {
		t.Error(got)
	}
}

func TestSparkline(t *testing.T) {
	s := blockSparkline{steps: []rune("1234567")}
	if got, want := s.line([]float64{9, 0, 1, 7, -1, 3.5, math.NaN()}, 9), "  7 16 3 "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.line([]float64{1, 2}, 1); got != "7" {
		t.Errorf("only the last value fits: %q", got)
	}
	g := glyphs{Spark: []rune("123"), Full: '#'}
	chart := columnChart(&g, []float64{0, 8, 3, 16}, 16, 5, 2)
	if chart[0] != "    #" || chart[1] != "  #2#" {
		t.Errorf("%q", chart)
	}
	for v, want := range map[float64]float64{0: 1, 1: 1, 1.1: 2, 4: 5, 6: 10, 2.1e9: 5e9} {
		if got := roundUp(v); got != want {
			t.Errorf("%v: %v", v, got)
		}
	}
}
