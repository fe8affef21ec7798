package kernel

import (
	"runtime"
	"testing"
	"weak"
)

// TestTypesKept: they are shared while somebody holds it, and gone after that.
func TestTypesKept(t *testing.T) {
	cache := cachedTypes()
	if cachedTypes() != cache {
		t.Error("not shared")
	}
	seen := weak.Make(cache)
	runtime.KeepAlive(cache)
	cache = nil
	for range 3 {
		runtime.GC()
	}
	if seen.Value() != nil {
		t.Error("kept though nobody holds it")
	}
	if cachedTypes() == nil {
		t.Error("no other one made")
	}
}
