// Package procfs reads files of processes in /proc.
package procfs

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// ReadStat reads the name and the parent of a process: "1 (init) S 0 ...",
// proc_pid_stat(5). The name can hold anything, parentheses included.
func ReadStat(process string) (comm string, ppid uint32, ok bool) {
	content, err := os.ReadFile(filepath.Join(process, "stat"))
	if err != nil {
		return "", 0, false
	}
	_, after, _ := strings.Cut(string(content), "(")
	end := strings.LastIndexByte(after, ')')
	if end < 0 {
		return "", 0, false
	}
	fields := strings.Fields(after[end+1:])
	if len(fields) < 2 {
		return "", 0, false
	}
	parent, err := strconv.ParseUint(fields[1], 10, 32)
	return after[:end], uint32(parent), err == nil
}
