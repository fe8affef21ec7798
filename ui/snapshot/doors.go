package snapshot

import "github.com/ebpftop/ebpftop/probes"

// doors are the interfaces here that lead to containers.
type doors struct {
	to    map[probes.InterfaceKey]string // by the interface inside
	first map[container]*probes.Interface
}

// container is a network namespace, by its inode number if it is watched, else by its
// netnsid.
type container struct {
	inode   uint32
	netnsid int
}

// containerOf is the one that an interface is in, or leads to.
func containerOf(i *probes.Interface) (c container, ok bool) {
	switch {
	case i.NetNS != "":
		return container{inode: i.Namespace}, true
	case i.Peer == nil || i.Peer.NetNSID == nil:
		return c, false
	case i.Peer.Inode != 0:
		return container{inode: i.Peer.Inode}, true
	}
	return container{netnsid: *i.Peer.NetNSID}, true
}

// doors finds them. The first one to a container is the one that was made first, of those in
// no other group: what passes a bridge must not be summed up with what does not.
func (t *tree) doors(interfaces []*probes.Interface) doors {
	d := doors{make(map[probes.InterfaceKey]string), make(map[container]*probes.Interface)}
	for _, i := range interfaces {
		c, ok := containerOf(i)
		if !ok || i.NetNS != "" {
			continue
		}
		if key, ok := i.Peer.Key(); ok {
			d.to[key] = i.Name
		}
		if first := d.first[c]; t.head(i) == "" && (first == nil || i.Ifindex < first.Ifindex) {
			d.first[c] = i
		}
	}
	return d
}

// head is the interface here that leads to one in a container, else the first one that leads
// to the same container. It is empty if there is none.
func (d *doors) head(i *probes.Interface) string {
	if name := d.to[i.Key()]; name != "" {
		return name
	}
	if c, ok := containerOf(i); ok && d.first[c] != nil && d.first[c] != i {
		return d.first[c].Name
	}
	return ""
}
