package lab

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// retryAfter is the pause before traffic that failed starts again.
const retryAfter = time.Second

// traffic is one kind of traffic. Its run function returns when ctx ends, or
// when something fails, and then nothing that it started is left.
type traffic struct {
	name string
	run  func(ctx context.Context, n *Network) error
}

// everything lists the traffic that Run sends through the network. ARP and neighbour
// discovery come by themselves.
var everything = []traffic{
	{"web", web},
	{"api", api},
	{"stream", stream},
	{"dns", dns},
	{"ping", ping},
	{"knock", knock},
	{"closed", closed},
	{"vlan", vlan},
	{"lldp", lldp},
	{"programs", programs},
}

// Run keeps modest traffic of many kinds going through the network, all of it
// by this process, and executes a few harmless programs a second, until ctx
// ends. A kind of traffic that fails starts again after a second; the error
// returned in the end names each that ever failed.
func (n *Network) Run(ctx context.Context) error {
	errs := make([]error, len(everything))
	var running sync.WaitGroup
	for i, t := range everything {
		running.Go(func() { errs[i] = t.keepRunning(ctx, n) })
	}
	running.Wait()
	return errors.Join(errs...)
}

func (t traffic) keepRunning(ctx context.Context, n *Network) error {
	var failure error
	for count := 1; ; count++ {
		err := t.run(ctx, n)
		if ctx.Err() != nil {
			return failure // err is of the end itself
		}
		failure = fmt.Errorf("%s traffic failed %d times, last: %w", t.name, count, err)
		if !sleep(ctx, retryAfter) {
			return failure
		}
	}
}

// repeat calls fn until ctx ends or fn fails. The time between two calls is
// mean on average and swings to and fro within the period, so that there is
// something to see.
func repeat(ctx context.Context, mean, period time.Duration, fn func() error) error {
	for {
		if err := fn(); err != nil {
			return err
		}
		phase := float64(time.Now().UnixNano()%int64(period)) / float64(period)
		rate := 1 + 0.5*math.Sin(2*math.Pi*phase) + 0.2*(rand.Float64()-0.5)
		if !sleep(ctx, time.Duration(float64(mean)/rate)) {
			return ctx.Err()
		}
	}
}

// sleep reports whether it slept to the end, and ctx did not end before.
func sleep(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
