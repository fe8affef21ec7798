package main

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	// documentedLine is a line of a block that calls ebpftop, up to what it is piped into, or
	// what is said beside it.
	documentedLine = regexp.MustCompile(`(?m)^ {4,}(?:sudo )?ebpftop((?: (?:'[^']*'|[^ '|&\n]+))*)`)
	documentedWord = regexp.MustCompile(`'[^']*'|[^ ]+`)
)

// TestDocumentedCommands parses each command line of the documents.
func TestDocumentedCommands(t *testing.T) {
	documents, err := filepath.Glob("../../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, path := range append(documents, "../../README.md") {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range documentedLine.FindAllStringSubmatch(string(text), -1) {
			found++
			var args []string
			for _, word := range documentedWord.FindAllString(line[1], -1) {
				args = append(args, strings.Trim(word, "'"))
			}
			if err := parseOnly(args); err != nil {
				t.Errorf("%s: %s: %v", filepath.Base(path), strings.TrimSpace(line[0]), err)
			}
		}
	}
	if found < 30 {
		t.Errorf("%d command lines found", found)
	}
}

// parseOnly fails if a command line is none that ebpftop takes.
func parseOnly(args []string) error {
	cmd, rest, err := newRootCommand().Find(args)
	if err != nil {
		return err
	}
	if err := cmd.ParseFlags(slices.Clone(rest)); err != nil {
		return err
	}
	return cmd.ValidateArgs(cmd.Flags().Args())
}
