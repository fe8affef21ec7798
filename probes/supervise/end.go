package supervise

import (
	"os/exec"
	"time"
)

// endPatience is how long a process is waited for that somebody stopped, or whose file system
// hangs.
const endPatience = time.Second

// AwaitEnd waits for a process that ends by itself, however it does, for a second at most. One that
// somebody stopped ends when it goes on, or when this process ends.
func AwaitEnd(cmd *exec.Cmd) {
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // there is nothing to ask any more
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(endPatience):
	}
}
