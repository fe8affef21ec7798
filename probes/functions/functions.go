// Package functions has BPF programs do without the functions of the kernel
// (kfuncs) that they can do without, where the kernel lets programs call none.
package functions

import (
	"slices"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/btf"

	"github.com/ebpftop/ebpftop/probes/kernelbtf"
)

// The functions that programs call. All are declared weak: where its address is 0,
// a program does without.
const (
	castToKernelContext = "bpf_cast_to_kern_ctx"
	ReadOnlyCast        = "bpf_rdonly_cast"
	DynptrFromSkb       = "bpf_dynptr_from_skb"
)

// Settle is for a spec that is not loaded yet. Loading sees to kernels that do
// not have a function; one that has no JIT compiler, or has it switched off,
// has it and refuses the call (add_kfunc_call() in kernel/bpf/verifier.c), even
// in a branch that is never taken.
func Settle(spec *ebpf.CollectionSpec) {
	if !callable() {
		Forgo(spec, castToKernelContext)
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

// Exists tells whether the kernel has a function. It may still refuse to let programs
// call it.
func Exists(name string) bool {
	_, err := find(name)
	return err == nil
}

// find looks a function up among the kernel's types.
func find(name string) (btf.TypeID, error) {
	kernel, err := kernelbtf.Cache().Kernel()
	if err != nil {
		return 0, err
	}
	var function *btf.Func
	if err := kernel.TypeByName(name, &function); err != nil {
		return 0, err
	}
	return kernel.TypeID(function)
}

// callable tries a call.
var callable = sync.OnceValue(func() bool {
	id, err := find(castToKernelContext)
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
