package linksfile

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/ebpftop/ebpftop/probes/supervise"
)

// A file may be root's alone. A process that gave up being root has another one read it,
// which was told the path before, and is asked for nothing else.

// toldVersion is a Version as one process tells another of it: JSON on a line. A process
// that is killed leaves a part of a line: the next one begins with a new line.
type toldVersion struct {
	Data    []byte
	Failure supervise.Failure
}

// longestLine is more than a version takes, in base64.
const longestLine = 2*MaxSize + 4096

// rereadByte asks for the file once more.
const rereadByte = 'r'

// Serve tells a Remote the versions of a file, until that is closed.
func Serve(ctx context.Context, file File, socket io.ReadWriter) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w, err := openVersions(ctx, file, pollInterval)
	if err != nil {
		return err
	}
	go func() {
		defer cancel()
		asked := make([]byte, 1)
		for {
			if _, err := socket.Read(asked); err != nil {
				return // it is closed
			}
			w.reread()
		}
	}()
	for version := range w.box {
		line, err := json.Marshal(toldVersion{version.Data, supervise.FailureOf(version.Err)})
		if err != nil {
			return fmt.Errorf("write JSON: %w", err)
		}
		if _, err := socket.Write(append(append([]byte{'\n'}, line...), '\n')); err != nil {
			return fmt.Errorf("tell what %s holds: %w", file.Path, err)
		}
	}
	return nil
}

// readVersions hands over the versions that a process tells, until it tells no more.
func readVersions(from io.Reader, take func(Version)) {
	lines := bufio.NewScanner(from)
	lines.Buffer(nil, longestLine)
	for lines.Scan() {
		var told toldVersion
		if len(lines.Bytes()) == 0 || json.Unmarshal(lines.Bytes(), &told) != nil {
			continue // of a process that was killed meanwhile
		}
		take(Version{Data: told.Data, Err: told.Failure.Err()})
	}
}
