// Package lab builds small networks out of network namespaces, for the demo
// and for tests that need real interfaces.
//
// A namespace of the lab has no name and no mount: only this process holds it,
// so when the process ends, killed or not, the kernel removes the namespace
// and every interface in it. No interface of the lab ever exists in the
// namespace the process was started in.
package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// threadNamespace is the network namespace of the thread that opens it.
const threadNamespace = "/proc/thread-self/ns/net"

// Namespace is a network namespace. Its methods may be called from any
// goroutine.
type Namespace struct {
	file   *os.File
	starts chan func() // run on the thread that lives in the namespace
	quit   chan struct{}
	ended  chan struct{}
	close  sync.Once
}

// New makes an empty network namespace with its loopback interface up. It
// needs CAP_SYS_ADMIN and CAP_NET_ADMIN.
func New() (*Namespace, error) {
	n, err := hold(func() (*os.File, error) {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return nil, err
		}
		return os.Open(threadNamespace)
	})
	if err != nil {
		return nil, fmt.Errorf("make network namespace: %w", err)
	}
	if err := n.setUp("lo"); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// Current is the network namespace that the caller is in. Closing it leaves
// the namespace as it is.
func Current() (*Namespace, error) {
	file, err := os.Open(threadNamespace)
	if err != nil {
		return nil, fmt.Errorf("open own network namespace: %w", err)
	}
	n, err := hold(func() (*os.File, error) { return file, enter(file) })
	if err != nil {
		return nil, errors.Join(fmt.Errorf("enter own network namespace: %w", err), file.Close())
	}
	return n, nil
}

// hold keeps a thread in the namespace that arrive goes to and opens.
func hold(arrive func() (*os.File, error)) (*Namespace, error) {
	n := &Namespace{
		starts: make(chan func()),
		quit:   make(chan struct{}),
		ended:  make(chan struct{}),
	}
	arrived := make(chan error)
	onOwnThread(func() {
		defer close(n.ended)
		var err error
		n.file, err = arrive()
		arrived <- err
		if err != nil {
			return
		}
		for {
			select {
			case start := <-n.starts:
				start()
			case <-n.quit:
				return
			}
		}
	})
	if err := <-arrived; err != nil {
		return nil, err
	}
	return n, nil
}

// onOwnThread starts fn on a thread that runs nothing else and ends with it.
func onOwnThread(fn func()) {
	locked := make(chan struct{})
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The Go runtime never ends the main thread, it would stay in the
			// namespace for good: keep it busy until another thread is found.
			onOwnThread(fn)
			runtime.UnlockOSThread()
			close(locked)
			return
		}
		close(locked)
		fn()
	}()
	<-locked
}

func enter(namespace *os.File) error {
	return withDescriptor(namespace, func(fd int) error {
		return unix.Setns(fd, unix.CLONE_NEWNET)
	})
}

// withDescriptor calls fn with the file's descriptor, which stays that file's
// until fn returns, even if the file is closed meanwhile.
func withDescriptor(file *os.File, fn func(fd int) error) error {
	conn, err := file.SyscallConn()
	if err != nil {
		return err
	}
	var fnErr error
	if err := conn.Control(func(fd uintptr) { fnErr = fn(int(fd)) }); err != nil {
		return os.ErrClosed // the only error here, internal to package os
	}
	return fnErr
}

// Do calls fn on a thread inside the namespace and returns its error. Sockets
// that fn opens belong to the namespace for good; goroutines that it starts
// run outside. A program that fn starts runs inside, but see Start.
func (n *Namespace) Do(fn func() error) error {
	result := make(chan error)
	go func() {
		err := errors.New("function ended its goroutine")
		defer func() { result <- err }()
		runtime.LockOSThread()
		origin, openErr := os.Open(threadNamespace)
		if openErr != nil {
			runtime.UnlockOSThread()
			err = fmt.Errorf("open own network namespace: %w", openErr)
			return
		}
		defer origin.Close()
		defer func() {
			// Still locked, a thread that cannot go back ends with the goroutine.
			if backErr := enter(origin); backErr != nil {
				err = errors.Join(err, fmt.Errorf("leave network namespace: %w", backErr))
				return
			}
			runtime.UnlockOSThread()
		}()
		if enterErr := enter(n.file); enterErr != nil {
			err = fmt.Errorf("enter network namespace: %w", enterErr)
			return
		}
		err = fn()
	}()
	return <-result
}

// Start starts cmd inside the namespace, as cmd.Start does outside; the caller
// waits for it. The process is killed when the namespace is closed and when
// this process ends, so it cannot keep the namespace alive.
func (n *Namespace) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	// The signal comes with the end of the thread that started the process,
	// which is why that is the one thread that stays as long as the namespace.
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	result := make(chan error, 1)
	select {
	case n.starts <- func() { result <- cmd.Start() }:
		return <-result
	case <-n.quit:
		return fmt.Errorf("start %s: network namespace: %w", cmd.Path, os.ErrClosed)
	}
}

// Close lets go of the namespace and kills the processes started in it. The
// kernel removes the namespace, its interfaces and their peers as soon as no
// process and no socket is left in it.
func (n *Namespace) Close() error {
	n.close.Do(func() { close(n.quit) })
	<-n.ended
	if err := n.file.Close(); err != nil {
		return fmt.Errorf("close network namespace: %w", err)
	}
	return nil
}
