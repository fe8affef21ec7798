package kernel

import (
	"runtime"
	"sync"
	"weak"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/btf"
)

// types holds the kernel's BTF, shared by programs that are loaded at about the same time.
// It is dropped afterwards, because it takes longer to read than most programs to load, and
// more memory than all else.
var types struct {
	mu    sync.Mutex
	cache weak.Pointer[btf.Cache]

	// A cache is not safe for concurrent use, and loading reads it.
	loading sync.Mutex
}

func cachedTypes() *btf.Cache {
	types.mu.Lock()
	defer types.mu.Unlock()
	if cache := types.cache.Value(); cache != nil {
		return cache
	}
	cache := btf.NewCache()
	types.cache = weak.Make(cache)
	return cache
}

// KeepTypes keeps the kernel's types for the programs that are loaded until release is
// called.
func KeepTypes() (release func()) {
	cache := cachedTypes()
	return func() { runtime.KeepAlive(cache) }
}

// Load loads a collection, with maps that are there in the place of those of spec. One
// is loaded at a time.
func Load(spec *ebpf.CollectionSpec, replacements map[string]*ebpf.Map, options ebpf.ProgramOptions) (*ebpf.Collection, error) {
	types.loading.Lock()
	defer types.loading.Unlock()
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: replacements,
		Programs:        options,
		Cache:           cachedTypes(),
	})
}

// functionID looks a function of the kernel up among its types.
func functionID(name string) (btf.TypeID, error) {
	types.loading.Lock()
	defer types.loading.Unlock()
	kernel, err := cachedTypes().Kernel()
	if err != nil {
		return 0, err
	}
	var function *btf.Func
	if err := kernel.TypeByName(name, &function); err != nil {
		return 0, err
	}
	return kernel.TypeID(function)
}
