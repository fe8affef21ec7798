//go:build !linux

package terminal

// dropBacklog and writeAtOnce do nothing, because only Linux opens a descriptor
// once more by its number: a terminal that is stuck has its settings restored.

func dropBacklog(int) {}

func writeAtOnce(int, string) {}
