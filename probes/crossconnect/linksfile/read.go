package linksfile

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Read returns the content of a file of links, without what is beyond MaxSize
// and one byte, which is enough for Parse to refuse it.
func Read(path string) ([]byte, error) {
	// O_NONBLOCK: opening a named pipe would wait for somebody to write to it.
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read links: %s is not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read links: %w", err)
	}
	return data, nil
}
