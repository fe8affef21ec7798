package main

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
)

// growthSuites are Go benchmarks whose names say how much there is, by the binary
// of the package's tests.
var growthSuites = []struct{ tests, pattern string }{
	{"live.test", "^BenchmarkSample$"},
	{"ui.test", "^BenchmarkRefresh$"},
	{"packets.test", "^BenchmarkProtocolsPoll$"},
}

// measureGrowth runs benchmarks once: it takes longer to make a thousand
// interfaces than any noise does.
func measureGrowth(ctx context.Context, b *bench) error {
	for _, s := range growthSuites {
		cmd := exec.CommandContext(ctx, filepath.Join(b.tests, s.tests), "-test.run", "^$", "-test.bench", s.pattern)
		cmd.Stdout, cmd.Stderr = b.out, b.log
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%v: %w", cmd.Args, err)
		}
	}
	return nil
}
