package linksfile_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// A whole xdp-xconnect: until Ctrl-C, it keeps interfaces connected as a file says.
func Example() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := xconnect(ctx, "/etc/xdp-xconnect.yaml"); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
}

func xconnect(ctx context.Context, path string) (err error) {
	set, err := crossconnect.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, set.Close()) }()
	changes, err := crossconnect.Changes(ctx)
	if err != nil {
		return err
	}
	// Another process may read the file just as well, one that can do nothing else.
	remote, server, err := linksfile.OpenRemote(ctx, linksfile.File{Path: path})
	if err != nil {
		return err
	}
	served := make(chan error, 1)
	go func() {
		served <- errors.Join(linksfile.Serve(ctx, linksfile.File{Path: path}, server), server.Close())
	}()
	defer func() { err = errors.Join(err, remote.Close(), <-served) }()
	file := linksfile.Follow(ctx, remote, func(pairs []crossconnect.Pair) error {
		return set.Set(pairs, 0)
	})
	retry := time.NewTicker(time.Second)
	defer retry.Stop()
	for {
		var problem error
		select {
		case <-ctx.Done():
			return nil
		case version := <-file.Versions():
			problem = file.Use(version)
		case <-changes:
			problem = set.Reconcile()
		case <-retry.C:
			problem = set.RetryWaiting()
			_ = file.Retry() // said already, if it is the same
		}
		if problem != nil {
			fmt.Fprintln(os.Stderr, problem)
		}
	}
}

// TestExample sends frames into one interface until one comes out of the other.
func TestExample(t *testing.T) {
	host, far := labtest.Namespace(t), labtest.Namespace(t)
	for near, end := range map[string]string{"eth1": "one", "eth2": "two"} {
		if err := lab.QuietVeth(host, near, far, end); err != nil {
			t.Fatal(err)
		}
	}
	path := filepath.Join(t.TempDir(), "links.yaml")
	if err := os.WriteFile(path, []byte("links: {eth1: eth2}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- host.Do(func() error { return xconnect(ctx, path) }) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	two, err := far.Open("two")
	if err != nil {
		t.Fatal(err)
	}
	defer two.Close()
	for deadline := time.Now().Add(10 * time.Second); ; {
		if err := far.Inject("one", make([]byte, 60)); err != nil {
			t.Fatal(err)
		}
		if _, err := two.Receive(time.Now().Add(100 * time.Millisecond)); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("no frame came out")
		}
	}
}
