package main

import (
	"bytes"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

const (
	backlogLines = 256
	// backlogPatience is how long the end waits for a reader to take what is left.
	backlogPatience = time.Second
)

// backlog is a writer that does not wait for its reader: it counts the lines that do not
// fit, and says how many once there is room.
type backlog struct {
	lines chan []byte
	lost  atomic.Uint64
	done  chan struct{}
}

func newBacklog(out io.Writer) *backlog {
	b := &backlog{lines: make(chan []byte, backlogLines), done: make(chan struct{})}
	go func() {
		defer close(b.done)
		for line := range b.lines {
			_, _ = out.Write(line) // whether anybody reads it or not
			if lost := b.lost.Swap(0); lost > 0 {
				_, _ = fmt.Fprintf(out, "ebpftop: %d lines lost here: nobody read them\n", lost)
			}
		}
	}()
	return b
}

// Write queues a line.
func (b *backlog) Write(line []byte) (int, error) {
	select {
	case b.lines <- bytes.Clone(line):
	default:
		b.lost.Add(1)
	}
	return len(line), nil
}

// Close waits until all is written, but not for long.
func (b *backlog) Close() {
	close(b.lines)
	select {
	case <-b.done:
	case <-time.After(backlogPatience):
	}
}
