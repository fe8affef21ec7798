// Package saver has a process of its own make the files that the screen is saved to. Because
// it is of the user who called ebpftop, and has no capabilities, a file is that user's, and
// made where that user may make one; a directory that the screen had open would let it make
// files there at any time, of a user that nobody is.
package saver

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/supervise"
)

// Saver asks the process for files.
type Saver struct {
	mu     sync.Mutex
	socket *os.File
	cmd    *exec.Cmd
	failed error // no file is made any more, because
}

// patience is how long the making of a file may take: its file system may be a remote one.
const patience = 5 * time.Second

// answer is what the process says of a file, whose descriptor comes with it.
type answer struct {
	Path    string
	Failure string // why there is none
}

const longestAnswer = 8 << 10 // a path, and more

// Start runs the process as a user, in the directory that this process is in. The command
// calls Serve.
func Start(cmd *exec.Cmd, uid int) (*Saver, error) {
	ends, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open a pair of sockets: %w", err)
	}
	s := &Saver{socket: os.NewFile(uintptr(ends[0]), "saver"), cmd: cmd}
	server := os.NewFile(uintptr(ends[1]), "saver")
	defer server.Close()
	cmd.Stdin, cmd.Stdout, cmd.Stderr = server, os.Stderr, os.Stderr
	if uid != os.Geteuid() {
		group, err := groupOf(uid)
		if err != nil {
			return nil, errors.Join(err, s.socket.Close())
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: group}}
	}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start the process that makes files: %w", err), s.socket.Close())
	}
	return s, nil
}

func groupOf(uid int) (uint32, error) {
	u, err := user.LookupId(strconv.Itoa(uid))
	if err != nil {
		return 0, fmt.Errorf("look for the group of user %d: %w", uid, err)
	}
	group, err := strconv.ParseUint(u.Gid, 10, 32)
	return uint32(group), err
}

// Close lets the process end. One that somebody stopped ends when it goes on.
func (s *Saver) Close() error {
	if s == nil {
		return nil
	}
	err := s.socket.Close()
	supervise.AwaitEnd(s.cmd)
	return err
}

// Create returns a new file, and its path. Nobody else may read it.
func (s *Saver) Create() (*os.File, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failed != nil {
		return nil, "", s.failed
	}
	file, path, isOver, err := s.ask()
	if isOver { // a late answer must not be taken for that to another question
		s.failed = err
	}
	return file, path, err
}

func (s *Saver) ask() (file *os.File, path string, isOver bool, err error) {
	if err := unix.Send(int(s.socket.Fd()), []byte{0}, unix.MSG_NOSIGNAL); err != nil {
		return nil, "", true, errGone
	}
	events, err := supervise.AwaitInput(s.socket, int(patience.Milliseconds()))
	switch {
	case err != nil:
		return nil, "", true, err
	case events == 0:
		return nil, "", true, errors.New("the file system of the directory does not answer")
	}
	buffer, rights := make([]byte, longestAnswer), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(int(s.socket.Fd()), buffer, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil || n == 0 {
		return nil, "", true, errGone
	}
	var a answer
	if err := json.Unmarshal(buffer[:n], &a); err != nil {
		return nil, "", true, fmt.Errorf("read the answer of the process that makes files: %w", err)
	}
	if a.Failure != "" {
		return nil, "", false, errors.New(a.Failure)
	}
	controls, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil || len(controls) != 1 {
		return nil, "", true, cmp.Or(err, errGone)
	}
	descriptors, err := unix.ParseUnixRights(&controls[0])
	if err != nil {
		return nil, "", true, err
	}
	return os.NewFile(uintptr(descriptors[0]), a.Path), a.Path, false, nil
}

var errGone = errors.New("the process that makes files is gone: start ebpftop again")
