package main

import (
	"fmt"
	"os"
	"regexp"
	"runtime"
	"slices"

	"golang.org/x/sys/unix"
)

// figure is something that is measured in each round. It has no blanks in it, which
// end a name in Go's format of benchmarks.
type figure struct {
	what string // key=value/key=value
	who  string // ebpftop, or what it is measured beside
	unit string
}

// of is the same of another subject.
func (f figure) of(who string) figure {
	f.who = who
	return f
}

// in is another figure of the same subject.
func (f figure) in(unit string) figure {
	f.unit = unit
	return f
}

// report prints what was measured, and keeps it for goals.
func (b *bench) report(f figure, values ...float64) {
	for _, v := range values {
		b.println(fmt.Sprintf("Benchmark%s/%s/who=%s 1 %.6g %s", b.suite, f.what, f.who, v, f.unit))
	}
	b.values[f] = append(b.values[f], values...)
}

// println prints a line at once. If it fails, so does the last Flush.
func (b *bench) println(line string) {
	_, _ = fmt.Fprintln(b.out, line)
	_ = b.out.Flush()
}

var processorName = regexp.MustCompile(`(?m)^model name\s*: (.*)$`)

// describe prints what the results that follow were measured on.
func (b *bench) describe() error {
	var name unix.Utsname
	if err := unix.Uname(&name); err != nil {
		return err
	}
	b.println("goos: " + runtime.GOOS)
	b.println("goarch: " + runtime.GOARCH)
	b.println("pkg: github.com/ebpftop/ebpftop/cmd/bench")
	b.println("kernel: " + unix.ByteSliceToString(name.Release[:]))
	processors, err := os.ReadFile("/proc/cpuinfo")
	if found := processorName.FindSubmatch(processors); found != nil { // not so on arm64
		b.println("cpu: " + string(found[1]))
	}
	return err
}

func median(values []float64) float64 {
	return slices.Sorted(slices.Values(values))[len(values)/2]
}
