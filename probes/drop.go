package probes

import "time"

// Drops are the packets that the kernel dropped in the network namespace since the source
// started, each once.
type Drops struct {
	// LeftOut says that nobody wants to know them: no program is attached, nothing else is
	// set.
	LeftOut bool
	// Unknown says why the kernel does not tell of them, "" if it does. Rows then has what
	// the interfaces count alone.
	Unknown   string
	Total     uint64
	PerSecond float64
	// Unplaced are packets of all network namespaces, in no total, of which it is not known
	// where they were dropped: as a rule those that nobody had read when a socket was closed.
	Unplaced uint64
	Rows     []Drop // most packets first
}

// DropSource is who tells of a drop.
type DropSource string

// The sources. None counts what another one does.
const (
	DropSKB       DropSource = "skb"       // the kernel, where it frees a packet
	DropXDP       DropSource = "xdp"       // the kernel, of frames that XDP has hold of
	DropInterface DropSource = "interface" // the interface's driver: there was no packet yet
)

// NoInterface stands for the interface of packets that have none any more, as those in a
// socket's queue, and for those that are gone.
const NoInterface = "-"

// Drop is the packets that were dropped for one reason, on one interface, of one protocol.
type Drop struct {
	// ID is the row's own, as long as there is one.
	ID uint64 `json:"-"`
	// Reason is the kernel's word ("NO_SOCKET"). A kernel before 5.17 has none, and what
	// stands here is Function.
	Reason string     `json:"reason"`
	Source DropSource `json:"source"`
	// Function is the function of the kernel that dropped, where the reason does not say,
	// and if it can be known.
	Function  string `json:"function"`
	Program   string `json:"program"` // of XDP, if it is known
	Interface string `json:"interface"`
	// Protocol is "-" where it is not known.
	Protocol string `json:"protocol"`
	Packets  uint64 `json:"packets"`
	// TakenOver are those of Packets that rows of gone interfaces had before.
	TakenOver uint64  `json:"-"`
	PerSecond float64 `json:"per_second"`
	// Last is the last of Latest.
	Last *DroppedPacket `json:"last"`
	// Latest are some of the latest, the last one first.
	Latest []DroppedPacket `json:"-"`
}

// DroppedPacket is one packet that was dropped.
type DroppedPacket struct {
	Time     time.Time `json:"time"`
	Protocol string    `json:"protocol"` // also of ethertypes that have no row of their own
	// Local is the end in this host: the destination of what was received, the source of
	// what it sent. Nil if it is not IP, or could not be read.
	Local  *Endpoint `json:"local"`
	Remote *Endpoint `json:"remote"`
	// Owner has the socket at the local end; nil if that is not known, ambiguous if several
	// may: see OwnerReason.
	Owner       *Owner      `json:"owner"`
	OwnerReason OwnerReason `json:"owner_reason"`
}
