// Package kernel gives programs and readers access to the running kernel: its types and
// functions, its clocks, the network namespace, rings and per-CPU arrays.
package kernel
