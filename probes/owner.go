package probes

import "time"

// Owner is the process that has a connection's socket. A process that has ended keeps its
// name; its pid is that of the first PID namespace, and may be another process's by now.
// Zero numbers and empty strings are unknown or none.
type Owner struct {
	PID       uint32    `json:"pid"`
	UID       uint32    `json:"uid"`
	User      string    `json:"user"` // by /etc/passwd as it was at the start; empty if it has no such uid
	Comm      string    `json:"comm"`
	Started   time.Time `json:"started"`
	Cgroup    string    `json:"cgroup"`    // path from the root of its hierarchy
	Unit      string    `json:"unit"`      // of systemd
	Container string    `json:"container"` // its id
	Pod       string    `json:"pod_uid"`   // of Kubernetes
	Hostname  string    `json:"hostname"`  // that the process sees: in Kubernetes, its pod's name
	NetNS     uint32    `json:"netns"`     // inode of the socket's network namespace
	Certainty Certainty `json:"certainty"`
	// AtRemote says that the process is at the remote end: both ends are on this host, or
	// which one is local cannot be known.
	AtRemote bool `json:"at_remote"`
}

// Certainty is how sure it is that a connection is a process's.
type Certainty string

// The certainties there are.
const (
	Opened    Certainty = "opened"    // it opened the socket, or alone has it
	Inherited Certainty = "inherited" // another one opened the socket, and passed it on
	Listener  Certainty = "listener"  // it listens where the connection was accepted
	Ambiguous Certainty = "ambiguous" // one of several: what they have in common is known
)

// OwnerReason is why a connection has no owner, or an ambiguous one.
type OwnerReason uint8

// The reasons there are. The zero value is none: there is an owner, and it is not ambiguous.
const (
	NoReason OwnerReason = iota
	OwnersLeftOut
	OwnersUnavailable
	OwnerForwarded
	OwnerIsKernel
	OwnerHasNoPorts
	OwnerBeforeStart
	OwnerNoSocket
	OwnerNotConnected
	OwnerPending
	OwnerLost
	// Why the owner is ambiguous.
	OwnerSharesPort
	OwnerTakenOver
	OwnerInSeveralNamespaces
)

var ownerReasons = [...]string{
	OwnersLeftOut:     "owners are left out",
	OwnersUnavailable: "this kernel, or the lack of a right, hides owners: see ebpftop doctor",
	OwnerForwarded:    "forwarded",
	OwnerIsKernel:     "the kernel's own",
	OwnerHasNoPorts:   "this protocol has no ports to tell sockets by",
	OwnerBeforeStart:  "from before the start, and closed or of a process out of sight",
	OwnerNoSocket:     "no socket here",
	OwnerNotConnected: "no socket here has this connection",
	OwnerPending:      "not known yet",
	OwnerLost:         "lost: too many sockets at once",

	OwnerSharesPort:          "several processes share its address and port",
	OwnerTakenOver:           "one process after another used its addresses and ports",
	OwnerInSeveralNamespaces: "several network namespaces use its addresses and ports",
}

// String says it in words, for people.
func (r OwnerReason) String() string { return ownerReasons[r] }

// MarshalJSON returns the words, null for none.
func (r OwnerReason) MarshalJSON() ([]byte, error) { return quoteOrNull(r.String()), nil }

// State is the state of a TCP connection.
type State uint8

// The states there are, those of the kernel first, by its numbers (TCP_ESTABLISHED and so on
// in include/net/tcp_states.h). The zero value is no state: not TCP, or not known.
const (
	StateUnknown State = iota
	StateEstablished
	StateSynSent
	StateSynRecv
	StateFinWait1
	StateFinWait2
	StateTimeWait
	StateClosed
	StateCloseWait
	StateLastAck
	StateListen
	StateClosing
)

// As ss(8) prints them, in lower case.
var states = [...]string{
	StateEstablished: "established", StateSynSent: "syn-sent", StateSynRecv: "syn-recv",
	StateFinWait1: "fin-wait-1", StateFinWait2: "fin-wait-2", StateTimeWait: "time-wait",
	StateClosed: "closed", StateCloseWait: "close-wait", StateLastAck: "last-ack",
	StateListen: "listen", StateClosing: "closing",
}

// String returns the name of the state, empty for none.
func (s State) String() string { return states[s] }

// MarshalJSON returns the name, null for none.
func (s State) MarshalJSON() ([]byte, error) { return quoteOrNull(s.String()), nil }

// quoteOrNull is for plain words.
func quoteOrNull(words string) []byte {
	if words == "" {
		return []byte("null")
	}
	return []byte(`"` + words + `"`)
}
