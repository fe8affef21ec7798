// Package strictyaml reads files of settings that people write, in YAML: mappings whose keys
// are there once, and errors that say the line and what to do.
//
// Because such a file may be any that root can read, errors quote nothing of it.
package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"

	"go.yaml.in/yaml/v4"
)

// File is a file while it is read. Errors begin with its name: NAME:LINE: and what to do,
// in one line.
type File struct{ Name string }

// ErrorAt says what is wrong with a line.
func (f *File) ErrorAt(line int, err error) error {
	return fmt.Errorf("%s:%d: %w", f.Name, line, err)
}

// Errorf says what is wrong with a node.
func (f *File) Errorf(node *yaml.Node, format string, args ...any) error {
	return f.ErrorAt(node.Line, fmt.Errorf(format, args...))
}

// Document returns the root of the only YAML document in data. It returns nil if there is
// none, as in a file of comments alone.
func (f *File) Document(data []byte) (*yaml.Node, error) {
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return nil, f.ErrorAt(1, err)
	}
	var document, surplus yaml.Node
	switch err := loader.Load(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, f.syntaxError(err, data)
	}
	switch err := loader.Load(&surplus); {
	case err == nil:
		return nil, f.Errorf(&surplus, "second YAML document: put all into one")
	case !errors.Is(err, io.EOF):
		return nil, f.syntaxError(err, data)
	}
	return document.Content[0], nil
}

// syntaxError brings the library's errors into our form, without what they quote.
func (f *File) syntaxError(err error, data []byte) error {
	line, reason := 1, "it cannot be read"
	if load, ok := errors.AsType[*yaml.LoadError](err); ok {
		line, reason = load.Mark.Line, withoutQuotes(load.Message)
		if line == 0 {
			line = 1 + bytes.Count(data[:min(load.Mark.Index, len(data))], []byte("\n"))
		}
	}
	return f.ErrorAt(line, fmt.Errorf("not YAML: %s: check indentation (no tabs), quotes and brackets", reason))
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

// Entry is a key of a mapping, with its value.
type Entry struct {
	Name       string
	Key, Value *yaml.Node
}

// Entries lists a mapping whose keys are words, each there once.
func (f *File) Entries(node *yaml.Node) ([]Entry, error) {
	if node.Kind != yaml.MappingNode {
		return nil, f.Errorf(node, "%s where a mapping belongs: write KEY: VALUE lines", kind(node))
	}
	lines := make(map[string]int)
	var entries []Entry
	for i := 0; i < len(node.Content); i += 2 {
		key, value := node.Content[i], node.Content[i+1]
		name, err := f.Word(key)
		if err != nil {
			return nil, err
		}
		if line, twice := lines[name]; twice {
			return nil, f.Errorf(key, "this key is already on line %d: remove one of them", line)
		}
		lines[name] = key.Line
		entries = append(entries, Entry{name, key, value})
	}
	return entries, nil
}

// Word returns the text of a node that is a string.
func (f *File) Word(node *yaml.Node) (string, error) {
	switch {
	case node.Kind != yaml.ScalarNode:
		return "", f.Errorf(node, "%s where a word belongs: write a word", kind(node))
	case node.ShortTag() != "!!str":
		return "", f.Errorf(node, "%s where a word belongs: write a word, in quotes if it looks like something else", kind(node))
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
