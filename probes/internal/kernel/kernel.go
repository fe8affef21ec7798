// Package kernel is what programs and readers need of the running kernel: its types and
// functions, its clocks, the network namespace, and the reading of rings and per-CPU
// arrays.
package kernel
