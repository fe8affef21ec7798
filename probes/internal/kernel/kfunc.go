package kernel

import (
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// The functions of the kernel (kfuncs) that programs call. All are declared weak: where
// its address is 0, a program does without.
const (
	castToKernelContext = "bpf_cast_to_kern_ctx"
	ReadOnlyCast        = "bpf_rdonly_cast"
	DynptrFromSkb       = "bpf_dynptr_from_skb"
)

// forgoRefused has the programs of spec, which is not loaded yet, do without the functions that
// the kernel has not, or lets no program call: where it has no JIT compiler, or that is switched
// off (add_kfunc_call() in kernel/bpf/verifier.c).
func forgoRefused(spec *ebpf.CollectionSpec) {
	if !callable() {
		Forgo(spec, castToKernelContext, ReadOnlyCast)
	}
	if !HasFunction(DynptrFromSkb) {
		Forgo(spec, DynptrFromSkb)
	}
}

// Forgo has the programs of spec do without functions, as if the kernel had none of
// them.
func Forgo(spec *ebpf.CollectionSpec, names ...string) {
	for _, program := range spec.Programs {
		for i := range program.Instructions {
			instruction := &program.Instructions[i]
			if !slices.Contains(names, instruction.Reference()) {
				continue
			}
			without := asm.Mov.Imm(asm.R0, 0) // never reached
			if instruction.OpCode.IsDWordLoad() {
				without = asm.LoadImm(instruction.Dst, 0, asm.DWord)
			}
			*instruction = without.WithSymbol(instruction.Symbol())
		}
	}
}

// HasFunction tells whether the kernel has a function. It may still refuse to let programs
// call it.
func HasFunction(name string) bool {
	_, err := functionID(name)
	return err == nil
}

// callable tries a call.
var callable = sync.OnceValue(func() bool {
	id, err := functionID(castToKernelContext)
	if err != nil {
		return false
	}
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.XDP, License: "Dual MIT/GPL",
		Instructions: asm.Instructions{
			{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Call), Src: asm.PseudoKfuncCall, Constant: int64(id)},
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
	if err != nil {
		return false
	}
	_ = program.Close() // nothing else holds it
	return true
})
