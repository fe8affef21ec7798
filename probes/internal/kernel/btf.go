package kernel

import (
	"fmt"
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

	// Whoever reads a module's types holds modules alone: they lead to the kernel's, which are
	// then read without their lock (inflateType() in cilium/ebpf's btf/unmarshal.go).
	modules sync.RWMutex
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

// Load loads a collection, with maps that are there in the place of those of spec. Several can
// be loaded at a time, so that the kernel verifies programs on all CPUs. It has the programs of
// spec do without the functions that the kernel does not let them call. It returns
// ebpf.ErrNotSupported, wrapped, if the kernel has not what a program is for.
//
// The types of modules are left alone: to read those of all of them is what takes the longest
// where there are many.
func Load(spec *ebpf.CollectionSpec, replacements map[string]*ebpf.Map, options ebpf.ProgramOptions) (*ebpf.Collection, error) {
	forgoRefused(spec)
	types.modules.RLock()
	defer types.modules.RUnlock()
	cache := cachedTypes()
	if kernel, err := cache.Kernel(); err == nil { // else what needs no types is loaded all the same
		if err := hasTargets(kernel, spec); err != nil {
			return nil, err
		}
		options.KernelTypes = kernel
	}
	return ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{
		MapReplacements: replacements,
		Programs:        options,
		Cache:           cache,
	})
}

// hasTargets fails if the kernel has not the tracepoints and iterators that programs are for.
func hasTargets(kernel *btf.Spec, spec *ebpf.CollectionSpec) error {
	for _, program := range spec.Programs {
		var prefix string
		switch program.AttachType {
		case ebpf.AttachTraceRawTp:
			prefix = "btf_trace_"
		case ebpf.AttachTraceIter:
			prefix = "bpf_iter_"
		default:
			continue
		}
		if _, err := kernel.AnyTypesByName(prefix + program.AttachTo); err != nil {
			return fmt.Errorf("%w: no %s, which the program %s is for", ebpf.ErrNotSupported, program.AttachTo, program.Name)
		}
	}
	return nil
}

// EnumNames returns the names of the values of an enum of the kernel.
func EnumNames(name string) (map[uint64]string, error) {
	var enum *btf.Enum
	if err := typeByName(name, &enum); err != nil {
		return nil, err
	}
	names := make(map[uint64]string, len(enum.Values))
	for _, value := range enum.Values {
		names[value.Value] = value.Name
	}
	return names, nil
}

// TracepointArguments returns how many arguments a tracepoint has.
func TracepointArguments(name string) (int, error) {
	var probe *btf.Typedef
	if err := typeByName("btf_trace_"+name, &probe); err != nil {
		return 0, err
	}
	if pointer, ok := probe.Type.(*btf.Pointer); ok {
		if function, ok := pointer.Target.(*btf.FuncProto); ok {
			return len(function.Params) - 1, nil // the first one is the tracepoint's own
		}
	}
	return 0, fmt.Errorf("tracepoint %s is a %v", name, probe.Type)
}

func typeByName(name string, to any) error {
	types.modules.RLock()
	defer types.modules.RUnlock()
	kernel, err := cachedTypes().Kernel()
	if err != nil {
		return err
	}
	return kernel.TypeByName(name, to)
}

// functionID looks a function of the kernel up among its types.
func functionID(name string) (btf.TypeID, error) {
	types.modules.RLock()
	defer types.modules.RUnlock()
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
