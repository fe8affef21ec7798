package kernelbtf

import (
	"runtime"
	"testing"
	"weak"
)

// TestCache is shared while somebody holds it, and gone after.
func TestCache(t *testing.T) {
	cache := Cache()
	if Cache() != cache {
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
	if Cache() == nil {
		t.Error("no other one made")
	}
}
