package lab

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// commands are harmless, quick and on every Linux.
var commands = [][]string{
	{"true"},
	{"echo", "hello", "from", "the", "lab"},
	{"uname", "-a"},
	{"id", "-u"},
	{"date", "+%H:%M:%S"},
	{"ls", "-l", "/proc/self/ns"},
	{"sh", "-c", "exit 0"},
}

// programs executes a few programs a second on the client.
func programs(ctx context.Context, n *Network) error {
	// One thread starts them all and stays until the last has ended: the death
	// of the thread would kill them.
	return n.Client.Do(func() error {
		return repeat(ctx, 400*time.Millisecond, 20*time.Second, func() error {
			return execute(ctx, commands[rand.IntN(len(commands))])
		})
	})
}

// programDirectories are where the commands are, the last on NixOS. They stand for $PATH,
// because root may run the demo with that of somebody else.
var programDirectories = []string{"/usr/bin", "/bin", "/run/current-system/sw/bin"}

func execute(ctx context.Context, command []string) error {
	path := command[0]
	for _, directory := range programDirectories {
		if found, err := exec.LookPath(filepath.Join(directory, command[0])); err == nil {
			path = found
			break
		}
	}
	cmd := exec.CommandContext(ctx, path, command[1:]...)
	cmd.Env = []string{"PATH=" + strings.Join(programDirectories, ":")}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("run %v: %w", command, err)
	}
	return nil
}
