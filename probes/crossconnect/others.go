package crossconnect

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/ebpftop/ebpftop/bpf"
	"github.com/ebpftop/ebpftop/probes/internal/attach"
)

// Others lists, again and again, the pairs of other processes in the network namespace:
// those that end with their process, and those kept by pins in another bpffs.
type Others struct {
	readIngresses ReadIngresses
	// passed are programs that are no ingress of another process. Because a program
	// does not change, they are not asked for again.
	passed map[ebpf.ProgramID]bool
	asked  int // programs that were asked for last
}

// NewOthers lists what readIngresses finds.
func NewOthers(readIngresses ReadIngresses) *Others { return &Others{readIngresses: readIngresses} }

// ListOthers lists the pairs of other processes once. It returns ErrUnknown as
// StatusAmong does.
func ListOthers() ([]Status, error) {
	links, err := listLinks()
	if err != nil {
		return nil, err
	}
	o := NewOthers(new(IngressReader).Read)
	list, err := o.status(links)
	return list, errors.Join(err, o.Close())
}

// Close forgets everything.
func (o *Others) Close() error {
	if o.asked == 0 {
		return nil
	}
	_, err := o.readIngresses(nil)
	if errors.Is(err, os.ErrPermission) {
		return nil
	}
	return err
}

// StatusAmong describes the pairs. The interfaces were just listed. It returns
// ErrUnknown, wrapped, if it may not look at a program that could be of one.
func (o *Others) StatusAmong(interfaces []netlink.Link) ([]Status, error) {
	return o.status(byName(interfaces))
}

func (o *Others) status(links links) ([]Status, error) {
	programs, err := programsOnAny(links)
	if err != nil {
		return nil, inOneLine(err)
	}
	ingresses, err := o.ingresses(programs)
	if err != nil {
		return nil, inOneLine(err)
	}
	now, err := monotonic()
	if err != nil {
		return nil, err
	}
	return statusOf(programs, ingresses, now, links), nil
}

// programsOnAny lists the programs for received frames on all devices. It asks for
// filters only on devices that have a qdisc for them, which are few.
func programsOnAny(links links) (map[ebpf.ProgramID]Datapath, error) {
	filtered, err := attach.WithFilters()
	if err != nil {
		return nil, err
	}
	programs := make(map[ebpf.ProgramID]Datapath)
	for _, device := range links {
		addPrograms(programs, device)
		if filtered[device.Attrs().Index] {
			if err := addFilters(programs, device); err != nil {
				return nil, err
			}
		}
	}
	return programs, nil
}

// ingresses are the ingresses of other processes.
func (o *Others) ingresses(programs map[ebpf.ProgramID]Datapath) (map[ebpf.ProgramID]*KernelIngress, error) {
	var asked []ebpf.ProgramID
	passed := make(map[ebpf.ProgramID]bool, len(programs))
	for id := range programs {
		if passed[id] = o.passed[id]; !passed[id] {
			asked = append(asked, id)
		}
	}
	if len(asked) == 0 && o.asked == 0 {
		return nil, nil // nobody has to be there to say so
	}
	ingresses, err := o.readIngresses(asked)
	if errors.Is(err, os.ErrPermission) {
		return nil, errUnknown(asked, err)
	}
	o.asked = len(asked)
	if err != nil {
		return nil, err
	}
	here, known := keptHere()
	for id, p := range ingresses {
		if p == nil || p.isKept() && (!known || p.Control == here) || p.isOurs() {
			passed[id] = true
			delete(ingresses, id)
		}
	}
	o.passed = passed
	return ingresses, nil
}

// errUnknown returns ErrUnknown with the reason, or nil if all the programs are of this
// process.
func errUnknown(asked []ebpf.ProgramID, why error) error {
	own := ownPrograms()
	if !slices.ContainsFunc(asked, func(id ebpf.ProgramID) bool { return !own[id] }) {
		return nil
	}
	return fmt.Errorf("%w: %w", ErrUnknown, why)
}

// ownPrograms returns the programs that this process holds a descriptor of, or of a link
// to. That takes no privilege: prog_id in /proc/self/fdinfo.
func ownPrograms() map[ebpf.ProgramID]bool {
	own := make(map[ebpf.ProgramID]bool)
	descriptors, _ := filepath.Glob("/proc/self/fdinfo/*") // fails only on a bad pattern
	for _, descriptor := range descriptors {
		info, _ := os.ReadFile(descriptor) // may be closed by now
		for line := range strings.Lines(string(info)) {
			number, found := strings.CutPrefix(line, "prog_id:")
			if id, err := strconv.ParseUint(strings.TrimSpace(number), 10, 32); found && err == nil {
				own[ebpf.ProgramID(id)] = true
			}
		}
	}
	return own
}

// statusOf describes the pairs that ingresses make.
func statusOf(programs map[ebpf.ProgramID]Datapath, ingresses map[ebpf.ProgramID]*KernelIngress, now time.Duration, links links) (list []Status) {
	all := make(map[string]*discovered, len(ingresses)) // as their owners call them
	isOwned := make(map[bpf.CrossConnectsProcess]bool)
	for id, p := range ingresses {
		owner := p.Record.Owner
		if _, known := isOwned[owner]; !known {
			isOwned[owner] = p.isOwned()
		}
		if !isOwned[owner] {
			continue
		}
		f := &discovered{KernelIngress: *p, datapath: programs[id]}
		if name := text(p.Record.Name); all[name] == nil || f.leads(now) {
			all[name] = f
		}
	}
	for _, f := range all {
		peer := all[text(f.plan(now).Peer)]
		if isThere(f.plan(now)) && (f.plan(now).IsA != 0 || peer == nil) {
			list = append(list, f.status(peer, now, links))
		}
	}
	slices.SortFunc(list, func(a, b Status) int { return strings.Compare(a.A, b.A) })
	return list
}

// plan returns the plan of the generation that is active at a moment.
func (f *discovered) plan(now time.Duration) *plan {
	return &f.Record.Plans[f.Current.activeGeneration(now)]
}

// leads tells whether the program that it was found by redirects frames.
func (f *discovered) leads(now time.Duration) bool {
	egress := f.XDPEgress
	if f.datapath == TC {
		egress = f.TCEgress
	}
	return f.IsHome && egress[f.Current.activeGeneration(now)] != 0
}

// status describes a pair of another process, of which one ingress may not be
// found.
func (f *discovered) status(peer *discovered, now time.Duration, links links) Status {
	plan, owner := f.plan(now), int(f.Record.Owner.Pid)
	s := Status{
		A: text(f.Record.Name), B: text(plan.Peer), State: Active, Origin: OriginOther, Owner: owner, Kept: f.isKept(),
		Reason: strings.Join(missing(links, text(f.Record.Name), text(plan.Peer)), "; "),
		AToB:   f.leg(now), BToA: Leg{Requested: datapathOf(plan.PeerRequested)},
	}
	if peer != nil {
		s.BToA = peer.leg(now)
	}
	if s.AToB.Datapath == "" || s.BToA.Datapath == "" {
		s.State = Waiting
	}
	if plan.IsA == 0 {
		s.A, s.B, s.AToB, s.BToA = s.B, s.A, s.BToA, s.AToB
	}
	if f.Current.onTrial(now) && !isSame(plan, &f.Record.Plans[1-f.Current.activeGeneration(now)]) {
		onTrial(&s, f.Current.deadline())
	}
	return s
}

// leg describes the direction of the frames that enter here.
func (f *discovered) leg(now time.Duration) Leg {
	counted := f.Traffic.ofPair(&f.Record, f.Current.activeGeneration(now))
	leg := Leg{Requested: datapathOf(f.plan(now).Requested), Packets: counted.Packets, Bytes: counted.Bytes}
	if f.leads(now) {
		leg.Datapath = f.datapath
	}
	return leg
}
