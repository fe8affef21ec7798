package owners

import (
	"testing"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

func TestAttach(t *testing.T) {
	labtest.RequireRoot(t)
	p, err := New(kernel.NewClock())
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if p.Problem() != "" {
		t.Errorf("%s", p.Problem())
	}
}
