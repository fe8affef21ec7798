package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/ui"
)

// logFlags are --log-format and --log-level.
type logFlags struct{ format, level string }

func (l *logFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&l.format, "log-format", "text", "`FORMAT` of the log: text, or json")
	cmd.Flags().StringVar(&l.level, "log-level", "info", "log from `LEVEL` on: debug, info, warn, error")
	for _, name := range []string{"log-format", "log-level"} {
		cmd.Flags().Lookup(name).DefValue = "" // the first, and info
	}
}

func (l *logFlags) isJSON() bool { return l.format == "json" }

// logger writes to out, a record a line. In the journal, each line has its priority, and no
// time, which the journal knows.
func (l *logFlags) logger(out io.Writer, isJournal bool) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.level)); err != nil || strings.ContainsAny(l.level, "+-") {
		return nil, wrongUse(fmt.Errorf("--log-level %q: use debug, info, warn or error", l.level))
	}
	h := &logHandler{out: out, line: new(bytes.Buffer), writing: new(sync.Mutex)}
	opts := &slog.HandlerOptions{Level: level}
	switch l.format {
	case "text":
		h.escape = func(line []byte) []byte { return []byte(ui.Escape(string(line))) }
		if isJournal {
			h.hasPriority, opts.ReplaceAttr = true, withoutTime
		}
		h.Handler = slog.NewTextHandler(h.line, opts)
	case "json":
		h.escape, h.hasPriority = escapeInvisible, isJournal
		h.Handler = slog.NewJSONHandler(h.line, opts)
	default:
		return nil, wrongUse(fmt.Errorf("--log-format %q: use text or json", l.format))
	}
	return slog.New(h), nil
}

func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}

// isJournal tells whether what is written to out goes to the journal: $JOURNAL_STREAM names
// the device and inode of the socket that systemd made for that (systemd.exec(5)).
func isJournal(out io.Writer) bool {
	file, ok := out.(interface{ Fd() uintptr })
	var stat unix.Stat_t
	if !ok || unix.Fstat(int(file.Fd()), &stat) != nil {
		return false
	}
	return os.Getenv("JOURNAL_STREAM") == fmt.Sprintf("%d:%d", stat.Dev, stat.Ino)
}

// logHandler writes what another handler makes of a record: nothing in it that a terminal
// would obey or hide, and for the journal, its priority first (sd-daemon(3)).
type logHandler struct {
	slog.Handler
	line        *bytes.Buffer // that the other one writes to
	writing     *sync.Mutex
	out         io.Writer
	escape      func(line []byte) []byte
	hasPriority bool
}

// Handle implements slog.Handler.
func (h *logHandler) Handle(ctx context.Context, record slog.Record) error {
	h.writing.Lock()
	defer h.writing.Unlock()
	h.line.Reset()
	if err := h.Handler.Handle(ctx, record); err != nil {
		return err
	}
	line := append(h.escape(bytes.TrimSuffix(h.line.Bytes(), []byte("\n"))), '\n')
	if h.hasPriority {
		line = append([]byte(priority(record.Level)), line...)
	}
	_, err := h.out.Write(line)
	return err
}

// priority is that of syslog, as the journal wants it.
func priority(level slog.Level) string {
	switch {
	case level >= slog.LevelError:
		return "<3>"
	case level >= slog.LevelWarn:
		return "<4>"
	case level >= slog.LevelInfo:
		return "<6>"
	}
	return "<7>"
}

// WithAttrs implements slog.Handler.
func (h *logHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithAttrs(attrs)
	return &with
}

// WithGroup implements slog.Handler.
func (h *logHandler) WithGroup(name string) slog.Handler {
	with := *h
	with.Handler = h.Handler.WithGroup(name)
	return &with
}
