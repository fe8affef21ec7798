package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/saver"
	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/settings"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/confine"
)

const saveCommand = "save"

// startSaver starts the process that makes the files to which the screen is saved. Without,
// saving says why it cannot be.
func (b *beside) startSaver() {
	b.saver, b.noSaver = saver.Start(ownCommand(saveCommand), settings.Caller())
}

func newSaveCommand() *cobra.Command {
	return besideCommand(saveCommand, func(*cobra.Command) error {
		path, err := os.Getwd()
		if err != nil {
			return fmt.Errorf("look where to save: %w", err)
		}
		// Not by its path: somebody may put another directory there, or a link.
		here, err := os.Open(".")
		if err != nil {
			return fmt.Errorf("open the directory to save to: %w", err)
		}
		directory := os.NewFile(here.Fd(), path)
		if err := confine.Process(confine.Needs{StayRoot: true, Files: &confine.Files{Make: []string{"."}}}); err != nil {
			return err
		}
		return saver.Serve(os.Stdin, directory)
	})
}

// save writes what is on the screen, and below it the sample as a line of JSON, to a new file
// of the user who called ebpftop. It returns the file's path.
func (b *beside) save(screen string, sample *probes.Sample) (path string, err error) {
	if b.noSaver != nil {
		return "", b.noSaver
	}
	file, path, err := b.saver.Create()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := io.WriteString(file, screen+"\n"); err != nil {
		return path, err
	}
	return path, writeSample(file, sample)
}

// rowsAtOnce bounds what of a large table is in memory as JSON.
const rowsAtOnce = 4096

// writeSample writes a sample as `stats --json` does.
func writeSample(out io.Writer, s *probes.Sample) error {
	var line bytes.Buffer
	var printer jsonPrinter
	if err := printer.print(&line, s, nil); err != nil {
		return err
	}
	const end = "]}\n"
	text := bytes.TrimSuffix(line.Bytes(), []byte(end))
	for from := 0; from < len(s.Connections); from += rowsAtOnce {
		rows := appendConnections(nil, s.Connections[from:min(from+rowsAtOnce, len(s.Connections))])
		if from > 0 {
			text = append(text, ',')
		}
		text = append(text, rows[1:len(rows)-1]...)
		if _, err := out.Write(text); err != nil {
			return err
		}
		text = text[:0]
	}
	_, err := out.Write(append(text, end...))
	return err
}
