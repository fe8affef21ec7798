// Package linksfile reads and follows a file of cross-connects: the YAML of
// xdp-xconnect, and settings beside it.
//
//	links:
//	  eth0: eth1
//	  eth2: eth2          # sends back what it receives
//	  eth3:
//	    peer: eth4
//	    datapath: tc      # of both directions; auto if left out
//	    wait: true        # for interfaces that do not exist yet
package linksfile

import (
	"errors"
	"fmt"

	"go.yaml.in/yaml/v4"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/strictyaml"
)

// MaxSize bounds a file of links, in bytes.
const MaxSize = 1 << 20

// Parse reads the pairs of a file of links, in its order. Name is what errors
// call the file; they are one line, NAME:LINE: and what to do. Check tells why an
// interface cannot be connected; crossconnect.ErrMissing is none for pairs that
// wait.
//
// Because the file may be any that root can read, errors quote nothing of it but names
// that interfaces could have, and these below links only.
//
// A pair may be given twice, as a: b and b: a, if both say the same:
// xdp-xconnect takes such files, and there is one way to understand them.
// Where an interface is in two different pairs, xdp-xconnect drops one
// silently: here it is an error.
func Parse(name string, data []byte, check func(iface string) error) ([]crossconnect.Pair, error) {
	f := &file{File: strictyaml.File{Name: name}, check: check, links: make(map[string]link)}
	root, err := f.root(data)
	if err != nil {
		return nil, err
	}
	links, err := f.linksIn(root)
	if err != nil {
		return nil, err
	}
	entries, err := f.Entries(links)
	if err != nil {
		return nil, err
	}
	pairs := make([]crossconnect.Pair, 0, len(entries))
	for _, e := range entries {
		pair, err := f.pair(e)
		if err != nil {
			return nil, err
		}
		repeated, err := f.claim(pair, e.Key.Line)
		if err != nil {
			return nil, err
		}
		if !repeated {
			pairs = append(pairs, pair)
		}
	}
	return pairs, nil
}

// file is a file of links while it is parsed.
type file struct {
	strictyaml.File
	check func(iface string) error
	links map[string]link // by either interface
}

// link is a pair, and the line that gives it.
type link struct {
	pair crossconnect.Pair
	line int
}

// root returns the root of the YAML document.
func (f *file) root(data []byte) (*yaml.Node, error) {
	if len(data) > MaxSize {
		return nil, f.ErrorAt(1, fmt.Errorf("file is larger than %d bytes: use fewer links", MaxSize))
	}
	root, err := f.Document(data)
	if err == nil && root == nil {
		err = f.ErrorAt(1, errors.New("file is empty: write links: {} for no links at all"))
	}
	return root, err
}

// linksIn returns the value of links, the only key of root.
func (f *file) linksIn(root *yaml.Node) (*yaml.Node, error) {
	entries, err := f.Entries(root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Name != "links" {
			return nil, f.Errorf(e.Key, "unknown key: the only one is links")
		}
	}
	if len(entries) == 0 {
		return nil, f.Errorf(root, "links is missing: write links: {} for no links at all")
	}
	links := entries[0]
	if links.Value.ShortTag() == "!!null" { // as in a file that is still being written
		return nil, f.Errorf(links.Key, "links is empty: write links: {} for no links at all")
	}
	return links.Value, nil
}

// badName is an error that does not say the name.
const badName = "this cannot be the name of an interface: use 1 to 15 bytes, no blanks, slashes or colons, nor . or .. alone"

// pair reads an entry of links: a peer's name, or settings.
func (f *file) pair(e strictyaml.Entry) (crossconnect.Pair, error) {
	if probes.CheckInterfaceName(e.Name) != nil {
		return crossconnect.Pair{}, f.Errorf(e.Key, badName)
	}
	s, err := f.settings(e)
	if err != nil {
		return crossconnect.Pair{}, err
	}
	pair := crossconnect.Pair{A: e.Name, B: s.peer, AToB: s.datapath, BToA: s.datapath, Wait: s.wait}
	for _, iface := range []string{pair.A, pair.B} {
		err := f.check(iface)
		switch {
		case !errors.Is(err, crossconnect.ErrMissing) && err != nil:
			return crossconnect.Pair{}, f.ErrorAt(e.Key.Line, err)
		case err != nil && !pair.Wait:
			return crossconnect.Pair{}, f.Errorf(e.Key,
				"there is no interface %q: create it, or write %q: {peer: %q, wait: true}", iface, pair.A, pair.B)
		}
	}
	return pair, nil
}

// claim keeps interfaces from being in two pairs. Repeated is a pair that was
// already given from its other end.
func (f *file) claim(pair crossconnect.Pair, line int) (repeated bool, err error) {
	turned := crossconnect.Pair{A: pair.B, B: pair.A, AToB: pair.BToA, BToA: pair.AToB, Wait: pair.Wait}
	for _, iface := range []string{pair.A, pair.B} {
		switch earlier, taken := f.links[iface]; {
		case !taken:
		case earlier.pair == turned:
			return true, nil
		default:
			return false, f.ErrorAt(line,
				fmt.Errorf("%q is already connected on line %d: keep one of the two", iface, earlier.line))
		}
	}
	f.links[pair.A] = link{pair, line}
	f.links[pair.B] = link{pair, line}
	return false, nil
}
