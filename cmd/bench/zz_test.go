package main

import (
	"fmt"
	"context"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab"
)

func TestZZ(t *testing.T) {
	n, _ := lab.New()
	net, err := lab.Build(n)
	if err != nil {
		t.Fatal(err)
	}
	ctx, c := context.WithCancel(context.Background())
	defer c()
	go net.Run(ctx)
	for _, a := range [][]string{{"/tmp/b/ebpftop", "-i", "to-*"}, {"btop"}, {"iftop", "-n", "-N", "-i", "to-client"}, {"nethogs", "to-client"}, {"bmon"}} {
		cmd := exec.Command(a[0], a[1:]...)
		cmd.Env = append(os.Environ(), "TERM=xterm-256color", "LC_ALL=C.UTF-8", "HOME=/tmp/peer")
		tm, err := openTerminal(n, size{80, 24}, cmd)
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
		fmt.Println(tm.text())
		time.Sleep(6 * time.Second)
		fmt.Println(a, tm.outputs[0].at.Sub(tm.started))
		fmt.Println(tm.text())
		u, err := usageOf(cmd.Process.Pid)
		fmt.Println(u, err, tm.refreshes(tm.started))
		for _, k := range []string{"?", "h", "m"} {
			tm.press(k)
			time.Sleep(500 * time.Millisecond)
			fmt.Println("KEY", k)
			fmt.Println(tm.text())
			tm.press(k)
			time.Sleep(500 * time.Millisecond)
		}
		tm.close()
	}
}
