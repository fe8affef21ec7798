package drops

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// symbols names functions of the kernel by addresses in them. Nil knows none.
//
// The file is opened before privileges are dropped, and read, in some 0.1 s, only when there
// is an address to name: what it holds is not kept.
type symbols struct {
	file  *os.File
	names map[uint64]string // "" for what is in no function
}

// openSymbols returns nil if addresses are hidden from us (kptr_restrict, CAP_SYSLOG).
func openSymbols() *symbols {
	file, err := os.Open("/proc/kallsyms")
	if err != nil {
		return nil
	}
	if !showsAddresses(file) {
		_ = file.Close() // it was only read
		return nil
	}
	return &symbols{file: file, names: make(map[uint64]string)}
}

// showsAddresses tells whether functions have addresses other than 0. It looks at the first
// ones. What stands before them may be at 0 in truth: variables of each CPU, on x86-64 before
// Linux 6.15.
func showsAddresses(symbols io.Reader) bool {
	functions := 0
	for lines := bufio.NewScanner(symbols); functions < 100 && lines.Scan(); {
		address, _, ok := parseSymbol(lines.Bytes())
		switch {
		case ok && address != 0:
			return true
		case ok:
			functions++
		}
	}
	return false
}

func (s *symbols) Close() error { return s.file.Close() }

// look finds the functions of all addresses that are not named yet.
func (s *symbols) look(addresses []uint64) error {
	best := make([]uint64, len(addresses)) // where the function begins
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read kernel symbols: %w", err)
	}
	for _, address := range addresses {
		s.names[address] = ""
	}
	lines := bufio.NewScanner(s.file)
	for lines.Scan() {
		start, name, ok := parseSymbol(lines.Bytes())
		if !ok {
			continue
		}
		for i, address := range addresses {
			if start <= address && start > best[i] {
				best[i] = start
				s.names[address] = string(name)
			}
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("read kernel symbols: %w", err)
	}
	return nil
}

// parseSymbol reads a line: the address, the type, the name, and the module if there is one.
func parseSymbol(line []byte) (address uint64, name []byte, ok bool) {
	fields := bytes.Fields(line)
	if len(fields) < 3 || len(fields[1]) != 1 || !strings.ContainsAny(string(fields[1]), "tTwW") {
		return 0, nil, false
	}
	address, err := strconv.ParseUint(string(fields[0]), 16, 64)
	return address, fields[2], err == nil
}

// nameFunctions names the functions that dropped, where the reason does not say.
func (p *Probe) nameFunctions() error {
	if p.symbols == nil {
		return nil
	}
	var unnamed []uint64
	for key := range p.rows {
		if _, isKnown := p.symbols.names[key.Place]; key.hasFunction() && !isKnown {
			unnamed = append(unnamed, key.Place)
		}
	}
	if unnamed != nil {
		if err := p.symbols.look(unnamed); err != nil {
			return err
		}
	}
	for key, r := range p.rows {
		if key.hasFunction() {
			r.drop.Function = p.symbols.names[key.Place]
		}
	}
	return nil
}
