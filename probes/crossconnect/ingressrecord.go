package crossconnect

import "github.com/ebpftop/ebpftop/bpf"

// ingressRecord is the record of an ingress of ours. write of the ingress puts it into the
// kernel, where other processes read it.
type ingressRecord struct {
	record bpf.CrossConnectsCrossConnect
}

func (r *ingressRecord) name() string { return text(r.record.Name) }

// ifindex is 0 while the device is missing.
func (r *ingressRecord) ifindex() int { return int(r.record.Ifindex) }

// isKept tells whether the ingress is to stay without a process.
func (r *ingressRecord) isKept() bool { return r.record.Owner == bpf.CrossConnectsProcess{} }

func (r *ingressRecord) plan(generation int) *plan { return &r.record.Plans[generation] }

// isNew tells whether a generation wants what the other one does not.
func (r *ingressRecord) isNew(generation int) bool {
	return isThere(r.plan(generation)) && !isSame(r.plan(generation), r.plan(1-generation))
}
