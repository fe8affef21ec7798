package snapshot

import "github.com/ebpftop/ebpftop/probes"

// SubjectKind is what sort of thing a detail is of.
type SubjectKind string

// The kinds there are. The zero value is nothing.
const (
	OfNothing    SubjectKind = ""
	OfConnection SubjectKind = "connection"
	OfInterface  SubjectKind = "interface"
	OfProtocol   SubjectKind = "protocol"
	OfGroup      SubjectKind = "group" // of connections, with something in common: an owner, a host, ...
	OfDrop       SubjectKind = "drop"
	OfExec       SubjectKind = "program"
	OfPair       SubjectKind = "pair"
)

// Subject is what a detail is of: by it, the same thing is found again in every sample. Which
// of the fields say so depends on the kind; the others are zero.
type Subject struct {
	Kind       SubjectKind
	Connection ConnectionKey
	Interface  probes.InterfaceKey // 0: it is known by Name alone
	Name       string              // of an interface, of a protocol
	By         GroupBy
	Group      GroupKey
	Number     uint64 // of a program, of a row of drops
	Pair       PairKey
}

// PairKey identifies a pair. A trial that replaces one has two of its name.
type PairKey struct {
	A, B    string
	Removed bool
}

// PairKeyOf returns the key of a pair.
func PairKeyOf(c *probes.CrossConnect) PairKey { return PairKey{c.A, c.B, c.Removed} }

// ConnectionSubject is a connection.
func ConnectionSubject(c *probes.Connection) Subject {
	return Subject{Kind: OfConnection, Connection: KeyOf(c)}
}

// InterfaceSubject is an interface, whatever its name is.
func InterfaceSubject(i *probes.Interface) Subject {
	return Subject{Kind: OfInterface, Interface: i.Key(), Name: i.Name}
}

// NamedInterface is the interface that has a name, nothing if the name is none.
func NamedInterface(name string) Subject {
	if name == "" || name == probes.NoInterface {
		return Subject{}
	}
	return Subject{Kind: OfInterface, Name: name}
}

// ProtocolSubject is a protocol, nothing if the name is none.
func ProtocolSubject(name string) Subject {
	if name == "" || name == "-" {
		return Subject{}
	}
	return Subject{Kind: OfProtocol, Name: name}
}

// GroupSubject is the connections that have something in common with one.
func GroupSubject(by GroupBy, c *probes.Connection) Subject {
	return Subject{Kind: OfGroup, By: by, Group: by.keyOf(c)}
}

// OwnerSubject is a process that owns connections, nothing if it is not known which one.
func OwnerSubject(o *probes.Owner) Subject {
	if o == nil {
		return Subject{}
	}
	return GroupSubject(ByOwner, &probes.Connection{Owner: o})
}

// HostSubject is what is at an address.
func HostSubject(remote probes.Endpoint) Subject {
	return GroupSubject(ByRemote, &probes.Connection{Remote: remote})
}
