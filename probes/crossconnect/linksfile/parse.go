// Package linksfile reads and watches a file of cross-connects: the YAML of
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
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
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
	f := &file{name: name, check: check, links: make(map[string]link)}
	root, err := f.document(data)
	if err != nil {
		return nil, err
	}
	links, err := f.linksIn(root)
	if err != nil {
		return nil, err
	}
	entries, err := f.entries(links)
	if err != nil {
		return nil, err
	}
	pairs := make([]crossconnect.Pair, 0, len(entries))
	for _, e := range entries {
		pair, err := f.pair(e)
		if err != nil {
			return nil, err
		}
		repeated, err := f.claim(pair, e.key.Line)
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
	name  string
	check func(iface string) error
	links map[string]link // by either interface
}

// link is a pair, and the line that gives it.
type link struct {
	pair crossconnect.Pair
	line int
}

// errorAt says what is wrong with a line.
func (f *file) errorAt(line int, err error) error {
	return fmt.Errorf("%s:%d: %w", f.name, line, err)
}

func (f *file) errorf(node *yaml.Node, format string, args ...any) error {
	return f.errorAt(node.Line, fmt.Errorf(format, args...))
}

// document returns the root of the only YAML document in data.
func (f *file) document(data []byte) (*yaml.Node, error) {
	if len(data) > MaxSize {
		return nil, f.errorAt(1, fmt.Errorf("file is larger than %d bytes: use fewer links", MaxSize))
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, f.errorAt(1, err)
	}
	var document, surplus yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF):
		return nil, f.errorAt(1, errors.New("file is empty: write links: {} for no links at all"))
	case err != nil:
		return nil, f.syntaxError(err, data)
	}
	switch err := loader.Load(&surplus); {
	case err == nil:
		return nil, f.errorf(&surplus, "second YAML document: put all links into one")
	case !errors.Is(err, io.EOF):
		return nil, f.syntaxError(err, data)
	}
	return document.Content[0], nil
}

// syntaxError brings the library's errors into our form, without what they quote.
func (f *file) syntaxError(err error, data []byte) error {
	line, reason := 1, "it cannot be read"
	if load, ok := errors.AsType[*yaml.LoadError](err); ok {
		line, reason = load.Mark.Line, withoutQuotes(load.Message)
		if line == 0 {
			line = 1 + bytes.Count(data[:min(load.Mark.Index, len(data))], []byte("\n"))
		}
	}
	return f.errorAt(line, fmt.Errorf("not YAML: %s: check indentation (no tabs), quotes and brackets", reason))
}

// withoutQuotes is what the library says, up to what it quotes of the file.
func withoutQuotes(reason string) string {
	for _, quoting := range []string{"unknown anchor", "found character"} {
		if strings.HasPrefix(reason, quoting+" '") {
			return quoting
		}
	}
	reason, _, _ = strings.Cut(reason, " (value: ")
	return reason
}

// linksIn returns the value of links, the only key of root.
func (f *file) linksIn(root *yaml.Node) (*yaml.Node, error) {
	entries, err := f.entries(root)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.name != "links" {
			return nil, f.errorf(e.key, "unknown key: the only one is links")
		}
	}
	if len(entries) == 0 {
		return nil, f.errorf(root, "links is missing: write links: {} for no links at all")
	}
	links := entries[0]
	if links.value.ShortTag() == "!!null" { // as in a file that is still being written
		return nil, f.errorf(links.key, "links is empty: write links: {} for no links at all")
	}
	return links.value, nil
}

// entry is a key of a mapping, with its value.
type entry struct {
	name       string
	key, value *yaml.Node
}

// entries lists a mapping whose keys are names, each there once.
func (f *file) entries(node *yaml.Node) ([]entry, error) {
	if node.Kind != yaml.MappingNode {
		return nil, f.errorf(node, "%s where a mapping belongs: write KEY: VALUE lines", kind(node))
	}
	lines := make(map[string]int)
	var entries []entry
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name, err := f.word(key)
		if err != nil {
			return nil, err
		}
		if line, twice := lines[name]; twice {
			return nil, f.errorf(key, "this key is already on line %d: remove one of them", line)
		}
		lines[name] = key.Line
		entries = append(entries, entry{name, key, value})
	}
	return entries, nil
}

// word is the text of a node that is a string.
func (f *file) word(node *yaml.Node) (string, error) {
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", f.errorf(node, "%s where a word belongs: write a word", kind(node))
	case node.ShortTag() != "!!str":
		return "", f.errorf(node, "%s where a word belongs: write a word, in quotes if it looks like something else", kind(node))
	}
	return node.Value, nil
}

// kind names what a node is, in an error.
func kind(node *yaml.Node) string {
	switch node.Kind {
	case yaml.AliasNode:
		return "an alias"
	case yaml.SequenceNode:
		return "a list"
	case yaml.MappingNode:
		return "a mapping"
	}
	switch node.ShortTag() {
	case "!!null":
		return "nothing"
	case "!!int", "!!float":
		return "a number"
	case "!!bool":
		return "true or false"
	case "!!str":
		return "a word"
	default:
		return "a value of another type"
	}
}

// badName is an error that does not say the name.
const badName = "this cannot be the name of an interface: use 1 to 15 bytes, no blanks, slashes or colons, nor . or .. alone"

// pair reads an entry of links: a peer's name, or settings.
func (f *file) pair(e entry) (crossconnect.Pair, error) {
	if probes.CheckInterfaceName(e.name) != nil {
		return crossconnect.Pair{}, f.errorf(e.key, badName)
	}
	s, err := f.settings(e)
	if err != nil {
		return crossconnect.Pair{}, err
	}
	pair := crossconnect.Pair{A: e.name, B: s.peer, AToB: s.datapath, BToA: s.datapath, Wait: s.wait}
	for _, iface := range []string{pair.A, pair.B} {
		err := f.check(iface)
		switch {
		case !errors.Is(err, crossconnect.ErrMissing) && err != nil:
			return crossconnect.Pair{}, f.errorAt(e.key.Line, err)
		case err != nil && !pair.Wait:
			return crossconnect.Pair{}, f.errorf(e.key,
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
			return false, f.errorAt(line,
				fmt.Errorf("%q is already connected on line %d: keep one of the two", iface, earlier.line))
		}
	}
	f.links[pair.A] = link{pair, line}
	f.links[pair.B] = link{pair, line}
	return false, nil
}
