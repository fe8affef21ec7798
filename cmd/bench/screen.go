package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// The figures of a program on a terminal.
const (
	startFigure   = "start"
	cpuFigure     = "CPU"
	memoryFigure  = "RSS"
	sharedFigure  = "PSS"
	refreshFigure = "refresh"
	keyFigure     = "key-to-screen"
)

var screenFigures = []struct{ name, unit string }{
	{startFigure, "ms"}, {cpuFigure, "%cpu"}, {memoryFigure, "MB"}, {sharedFigure, "MB"},
	{refreshFigure, "B"}, {keyFigure, "ms"},
}

var screenSizes = []size{{80, 24}, {200, 50}}

// screenGoal is the most that ebpftop is to take, 0 if there is no goal.
func screenGoal(figure, in string, s size) float64 {
	switch {
	case figure == startFigure && in != "flood":
		return 300
	case figure == memoryFigure && in != "flood":
		return 40
	case figure == cpuFigure && in == "quiet":
		return 1
	case figure == cpuFigure && in == "10000-connections":
		return 3
	case figure == refreshFigure && in != "flood" && s.width == 80:
		return 700
	case figure == refreshFigure && in != "flood":
		return 1500
	}
	return 0
}

const (
	settling = time.Second // before what is measured
	watching = 5 * time.Second
	keys     = 10 // pressed for a figure
)

// screenValues are those of one program in one lab on one terminal, by figure.
type screenValues map[string][]float64

// measureScreens looks at ebpftop and others of its kind on terminals.
func measureScreens(ctx context.Context, b *bench) (err error) {
	home, err := os.MkdirTemp("", "bench") // for what they want to write
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(home)) }()
	programs := screenPrograms(b)
	for _, l := range screenLabs {
		for _, s := range screenSizes {
			err := l.look(ctx, b, func(hub *lab.Namespace) error {
				for range b.rounds {
					if err := measureInTurn(ctx, b, programs, hub, l.name, s, home); err != nil {
						return err
					}
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("%s, %v: %w", l.name, s, err)
			}
			wantScreen(b, programs[0].name, l.name, s)
		}
	}
	return nil
}

// measureInTurn measures each program once. Those of others may fail to answer.
func measureInTurn(ctx context.Context, b *bench, programs []screenProgram, hub *lab.Namespace, in string, s size, home string) error {
	for i, p := range programs {
		values := make(screenValues)
		err := p.measure(ctx, hub, s, home, values)
		if i > 0 && errors.Is(err, errNotSeen) {
			fmt.Fprintln(b.log, in, s, p.name, "does not answer:", errNotSeen)
		} else if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		for _, f := range screenFigures {
			b.report(screenFigure(f.name, in, s, p.name, f.unit), values[f.name]...)
		}
	}
	return nil
}

func screenFigure(name, in string, s size, who, unit string) figure {
	return figure{fmt.Sprintf("what=%s/terminal=%v/lab=%s", name, s, in), who, unit}
}

func wantScreen(b *bench, who, in string, s size) {
	for _, f := range screenFigures {
		if limit := screenGoal(f.name, in, s); limit > 0 {
			b.want(screenFigure(f.name, in, s, who, f.unit), goal{bound: atMost, limit: limit})
		}
	}
}

// measure runs the program once.
func (p *screenProgram) measure(ctx context.Context, hub *lab.Namespace, s size, home string, v screenValues) (err error) {
	t, err := p.open(ctx, hub, s, home, v)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	if err := sleep(ctx, settling); err != nil {
		return err
	}
	if err := p.watch(ctx, t, v); err != nil {
		return err
	}
	return p.pressKeys(ctx, t, v)
}

// open starts the program, and returns when it shows a full frame.
func (p *screenProgram) open(ctx context.Context, in *lab.Namespace, s size, home string, v screenValues) (*terminal, error) {
	cmd := exec.CommandContext(ctx, p.command[0], p.command[1:]...)
	cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8", "HOME="+home, "XDG_CONFIG_HOME="+home)
	t, err := openTerminal(in, s, cmd)
	if err != nil {
		return nil, err
	}
	full, err := t.await(ctx, "a full frame", func(text string) bool { return containsAll(text, p.full) })
	if err != nil {
		return nil, errors.Join(err, t.close())
	}
	v.add(startFigure, full.Sub(t.started).Seconds()*1e3)
	return t, nil
}

func (v screenValues) add(figure string, values ...float64) { v[figure] = append(v[figure], values...) }

// watch leaves the program alone for a while.
func (p *screenProgram) watch(ctx context.Context, t *terminal, v screenValues) error {
	start := time.Now()
	before, err := usageOf(t.cmd.Process.Pid)
	if err != nil {
		return err
	}
	if err := sleep(ctx, watching); err != nil {
		return err
	}
	after, err := usageOf(t.cmd.Process.Pid)
	if err != nil {
		return err
	}
	v.add(cpuFigure, 100*(after.cpu-before.cpu).Seconds()/time.Since(start).Seconds())
	v.add(memoryFigure, after.rss/1e6)
	v.add(sharedFigure, after.pss/1e6)
	v.add(refreshFigure, t.refreshes(start)...)
	return nil
}

// pressKeys opens and closes the help.
func (p *screenProgram) pressKeys(ctx context.Context, t *terminal, v screenValues) error {
	for n := range keys {
		if p.key == "" {
			return nil
		}
		pressed := time.Now()
		if err := t.Press(p.key); err != nil {
			return err
		}
		shown, err := t.await(ctx, "the answer to a key", func(text string) bool {
			return strings.Contains(text, p.help) == (n%2 == 0)
		})
		if err != nil {
			return err
		}
		v.add(keyFigure, shown.Sub(pressed).Seconds()*1e3)
		if err := sleep(ctx, pause); err != nil { // as fast as nobody types
			return err
		}
	}
	return nil
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
