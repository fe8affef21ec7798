package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os/exec"
	"syscall"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// output runs a command in a namespace and returns what it prints.
func output(in *lab.Namespace, cmd *exec.Cmd) ([]byte, error) {
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	if err := in.Start(cmd); err != nil {
		return nil, err
	}
	if err := cmd.Wait(); err != nil {
		return nil, fmt.Errorf("%v: %w: %s%s", cmd.Args, err, errOut.Bytes(), out.Bytes())
	}
	return out.Bytes(), nil
}

// process is a command that runs until it is stopped.
type process struct {
	cmd     *exec.Cmd
	drained chan struct{}
}

// startStats has ebpftop count in a namespace; it does when this returns.
func startStats(ctx context.Context, b *bench, in *lab.Namespace, args ...string) (*process, error) {
	args = append([]string{"stats", "--json", "--interval", "500ms"}, args...)
	p := &process{cmd: exec.CommandContext(ctx, b.program, args...), drained: make(chan struct{})}
	var errOut bytes.Buffer
	p.cmd.Stderr = &errOut
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := in.Start(p.cmd); err != nil {
		return nil, err
	}
	lines := bufio.NewReader(out)
	if _, err := lines.ReadBytes('\n'); err != nil {
		_ = p.cmd.Wait() // what it says is in errOut
		return nil, fmt.Errorf("%v: %w: %s", p.cmd.Args, err, errOut.Bytes())
	}
	go func() {
		defer close(p.drained)
		_, _ = io.Copy(io.Discard, lines) // ends with the process
	}()
	return p, nil
}

func (p *process) stop() error {
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-p.drained
	return p.cmd.Wait()
}
