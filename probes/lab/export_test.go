package lab

import "context"

// What tests outside the package, which labtest makes them be, run of its inside.

var (
	Commands = commands
	Execute  = execute
	Repeat   = repeat
	Knock    = knock
)

// KeepRunning is traffic.keepRunning.
func KeepRunning(ctx context.Context, n *Network, name string, run func(context.Context, *Network) error) error {
	return traffic{name, run}.keepRunning(ctx, n)
}
