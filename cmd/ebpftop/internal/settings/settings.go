// Package settings reads what is said in files and in the environment in the place of
// flags: a flag that is given wins over the environment, that over the user's file, and
// that over the system's. The system's file can also impose a switch, and leave the
// connecting of interfaces to root.
package settings

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"github.com/ebpftop/ebpftop/probes/strictyaml"
)

// SystemFile is the file of who administers the host.
const SystemFile = "/etc/ebpftop/config.yaml"

// Keys of the system's file that are no flags.
const (
	EnforceKey  = "enforce"
	RewiringKey = "rewiring"
)

// Settings are the values of flags that were not given, and what the system's file imposes.
type Settings struct {
	layers    []layer // the first that has a key wins
	enforced  []string
	rootRules bool
}

// layer is one source of values, by the name of the flag.
type layer map[string]value

// value is what a source says, in the words that the flag takes: a list has several.
type value struct {
	words []string
	from  string // where that is said: a file and line, or a variable
}

// Load reads the system's file, and yours: path, or the user's own if that is "", or none
// if that is "none". Flags are those that can be set. A file that does not exist says
// nothing, unless it is named by path. Load returns an error, one line, if a file cannot be
// read, could have been written by somebody else, or says what no flag takes.
func Load(ctx context.Context, path string, flags *pflag.FlagSet) (*Settings, error) {
	s := &Settings{layers: []layer{environment(flags)}}
	own, err := ownFile(path)
	if err != nil {
		return nil, err
	}
	for _, file := range []source{own, {path: SystemFile, owners: []uint32{0}, isSystem: true}} {
		data, err := file.read(ctx)
		if err != nil {
			return nil, err
		}
		if err := s.add(file, data, flags); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// variable is the environment's name of a flag.
func variable(flag string) string {
	return "EBPFTOP_" + strings.ToUpper(strings.ReplaceAll(flag, "-", "_"))
}

func environment(flags *pflag.FlagSet) layer {
	l := make(layer)
	flags.VisitAll(func(flag *pflag.Flag) {
		if word, ok := os.LookupEnv(variable(flag.Name)); ok {
			l[flag.Name] = value{words: []string{word}, from: variable(flag.Name)}
		}
	})
	return l
}

// add reads a file.
func (s *Settings) add(from source, data []byte, flags *pflag.FlagSet) error {
	file := strictyaml.File{Name: from.path}
	root, err := file.Document(data)
	if err != nil || root == nil {
		return err
	}
	entries, err := file.Entries(root)
	if err != nil {
		return err
	}
	l := make(layer)
	for _, e := range entries {
		switch {
		case e.Name == EnforceKey && from.isSystem:
			s.enforced, err = enforced(&file, e, flags)
		case e.Name == RewiringKey && from.isSystem:
			s.rootRules, err = forRoot(&file, e)
		case e.Name == EnforceKey, e.Name == RewiringKey:
			err = file.Errorf(e.Key, "%s belongs into %s: write it there", e.Name, SystemFile)
		case flags.Lookup(e.Name) == nil:
			err = file.Errorf(e.Key, "unknown setting: %s", similar(e.Name, flags))
		default:
			var words []string
			if words, err = wordsOf(&file, e.Value); err == nil {
				l[e.Name] = value{words: words, from: fmt.Sprintf("%s:%d", from.path, e.Key.Line)}
			}
		}
		if err != nil {
			return err
		}
	}
	s.layers = append(s.layers, l)
	return nil
}

// enforced returns the switches that are imposed.
func enforced(file *strictyaml.File, e strictyaml.Entry, flags *pflag.FlagSet) ([]string, error) {
	names, err := wordsOf(file, e.Value)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if flag := flags.Lookup(name); flag == nil || flag.Value.Type() != "bool" {
			return nil, file.Errorf(e.Value, "only switches can be enforced, such as no-args")
		}
	}
	return names, nil
}

// forRoot tells whether interfaces may be connected by root alone.
func forRoot(file *strictyaml.File, e strictyaml.Entry) (bool, error) {
	switch word, err := file.Word(e.Value); {
	case err != nil:
		return false, err
	case word == "root" || word == "anyone":
		return word == "root", nil
	}
	return false, file.Errorf(e.Value, "write root, or anyone, who may run ebpftop with the rights for it")
}

// wordsOf returns the words of a value: one, a list of them, or KEY=VALUE of a mapping.
func wordsOf(file *strictyaml.File, node *yaml.Node) (words []string, err error) {
	switch node.Kind {
	case yaml.ScalarNode:
		if node.ShortTag() == "!!null" {
			return nil, file.Errorf(node, "nothing is set: write a value, or remove the line")
		}
		return []string{node.Value}, nil
	case yaml.SequenceNode:
		for _, item := range node.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, file.Errorf(item, "write words or numbers into the list")
			}
			words = append(words, item.Value)
		}
		return words, nil
	}
	entries, err := file.Entries(node)
	for _, e := range entries {
		if e.Value.Kind != yaml.ScalarNode {
			return nil, file.Errorf(e.Value, "write a word or a number")
		}
		words = append(words, e.Name+"="+e.Value.Value)
	}
	return words, err
}

// similar says which setting may have been meant.
func similar(name string, flags *pflag.FlagSet) string {
	best, least := "", 3 // letters that may differ
	var all []string
	flags.VisitAll(func(flag *pflag.Flag) {
		all = append(all, flag.Name)
		if d := distance(name, flag.Name); d < least {
			best, least = flag.Name, d
		}
	})
	if best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return "there are " + strings.Join(all, ", ")
}

// distance is how many letters are to be added, removed or replaced (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}

// ErrEnforced is wrapped by the error of Apply if a flag contradicts the system's file.
var ErrEnforced = errors.New(SystemFile + " enforces it")

// Impose sets the switches that the system's file enforces. It returns an error, one line,
// if a flag contradicts that.
func (s *Settings) Impose(flags *pflag.FlagSet) error {
	for _, name := range s.enforced {
		flag := flags.Lookup(name)
		if flag == nil {
			continue
		}
		if flag.Changed && flag.Value.String() == "false" {
			return fmt.Errorf("--%s=false: %w", name, ErrEnforced)
		}
		if err := flag.Value.Set("true"); err != nil {
			return fmt.Errorf("%s: %s: %w", SystemFile, name, err)
		}
	}
	return nil
}

// Apply sets the flags that were not given, after Impose. It returns an error, one line, if
// a flag does not take the value. Explain turns the error of a flag into one that says what
// it takes.
func (s *Settings) Apply(flags *pflag.FlagSet, explain func(error) error) error {
	if err := s.Impose(flags); err != nil {
		return err
	}
	var errs []error
	flags.VisitAll(func(flag *pflag.Flag) {
		if v, ok := s.of(flag); ok {
			errs = append(errs, v.apply(flags, flag, explain))
		}
	})
	return errors.Join(errs...)
}

// of returns what is said of a flag, unless that is given or enforced.
func (s *Settings) of(flag *pflag.Flag) (v value, ok bool) {
	if flag.Changed || slices.Contains(s.enforced, flag.Name) {
		return value{}, false
	}
	for _, l := range s.layers {
		if v, ok = l[flag.Name]; ok {
			return v, true
		}
	}
	return value{}, false
}

// apply sets the flag as the words say, one of them after the other.
func (v value) apply(set *pflag.FlagSet, flag *pflag.Flag, explain func(error) error) error {
	for _, word := range v.words {
		if err := set.Set(flag.Name, word); err != nil {
			return fmt.Errorf("%s: %w", v.from, explain(err))
		}
		flag.Changed = false // it was not given
	}
	return nil
}

// Origin says where the value of a flag comes from.
func (s *Settings) Origin(flag *pflag.Flag) string {
	switch v, ok := s.of(flag); {
	case slices.Contains(s.enforced, flag.Name):
		return SystemFile + ", enforced"
	case flag.Changed:
		return "flag"
	case ok:
		return v.from
	}
	return "default"
}

// ErrRewiring returns an error if the user who runs this process may not connect interfaces.
func (s *Settings) ErrRewiring() error {
	if !s.rootRules || os.Getuid() == 0 {
		return nil
	}
	return fmt.Errorf("%s leaves the connecting of interfaces to root: use sudo", SystemFile)
}
