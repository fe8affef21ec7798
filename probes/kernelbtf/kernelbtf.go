// Package kernelbtf shares what the kernel tells of its types among programs
// that are loaded at about the same time.
package kernelbtf

import (
	"sync"
	"weak"

	"github.com/cilium/ebpf/btf"
)

var (
	mu     sync.Mutex
	shared weak.Pointer[btf.Cache]
)

// Cache is for loading collections. To read the kernel's types takes longer than
// to load most programs, and to keep them more memory than all else: they stay
// for as long as anybody holds the cache, so whoever loads several programs does
// that meanwhile (runtime.KeepAlive).
func Cache() *btf.Cache {
	mu.Lock()
	defer mu.Unlock()
	if cache := shared.Value(); cache != nil {
		return cache
	}
	cache := btf.NewCache()
	shared = weak.Make(cache)
	return cache
}
