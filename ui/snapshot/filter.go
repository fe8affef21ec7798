package snapshot

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A filter is words with blanks between. A row passes it if it passes each of them:
//
//	word       its text holds the word
//	NAME:VALUE what is called so is VALUE, see the names of a kind of rows
//	:443       the same as port:443
//	rate>1M    it has more than that
//	rtt>100ms  it takes longer than that
//	!WORD      it does not pass the word

// filter is what rows of one kind have to pass.
type filter[R any] struct {
	text  func(to []byte, row R) []byte
	words []word[R]
	line  []byte // text of a row, reused
}

// word is one of a filter: text that a row holds, or else a condition.
type word[R any] struct {
	not       bool
	text      []byte
	condition func(R) bool
}

// newFilter returns the filter that says so. What of it cannot be understood is left out of
// it, and the error says why.
func (k *kind[R]) newFilter(said string) (*filter[R], error) {
	f := &filter[R]{text: k.text}
	var errs []error
	for _, text := range strings.Fields(strings.ToLower(said)) {
		w, err := k.newWord(text)
		if err != nil {
			errs = append(errs, err)
		} else if w != nil {
			f.words = append(f.words, *w)
		}
	}
	return f, errors.Join(errs...)
}

// newWord returns the word, or nil if there is nothing of it yet, as of "!" or "port:" while
// they are typed.
func (k *kind[R]) newWord(text string) (w *word[R], err error) {
	text, not := strings.CutPrefix(text, "!")
	name, value, isNamed := strings.Cut(text, ":")
	if _, hasPorts := k.names["port"]; name == "" && isNamed && hasPorts && isNumber(value) {
		name = "port"
	}
	if !isNamed || !isName(name) {
		name, value, isNamed = strings.Cut(text, ">")
		isNamed = isNamed && isName(name)
	}
	switch condition, isKnown := k.names[name]; {
	case text == "":
		return nil, nil
	case !isNamed:
		return &word[R]{not: not, text: []byte(text)}, nil
	case !isKnown && namesElsewhere[name]:
		return nil, fmt.Errorf("%s: %s have none: use %s", name, k.rows, strings.Join(k.knownNames(), ", "))
	case !isKnown:
		return nil, errUnknownName(name, k.knownNames())
	case value == "":
		return nil, nil
	default:
		passes, err := condition.of(value)
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", name, value, err)
		}
		return &word[R]{not: not, condition: passes}, nil
	}
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// isName tells whether what stands before a colon is a name, and not part of an address.
func isName(s string) bool {
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == "" && strings.Trim(s, "abcdef") != ""
}

// errUnknownName says which name may have been meant.
func errUnknownName(name string, known []string) error {
	best, nearest := "", max(2, len(name)/2) // fewer letters than that may be wrong
	for _, candidate := range known {
		if d := distance(name, candidate); d < nearest || strings.HasPrefix(candidate, name) || strings.HasPrefix(name, candidate) {
			best, nearest = candidate, d
		}
	}
	if best == "" {
		return fmt.Errorf("%s: is not known: use %s", name, strings.Join(known, ", "))
	}
	return fmt.Errorf("%s: is not known: did you mean %s?", name, best)
}

// distance is how many letters have to be added, removed or replaced to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			same := before
			if a[i] != b[j] {
				same++
			}
			before = row[j+1]
			row[j+1] = min(same, before+1, row[j]+1)
		}
	}
	return row[len(b)]
}

// isEmpty tells whether all rows pass.
func (f *filter[R]) isEmpty() bool { return len(f.words) == 0 }

// passes tells whether a row does.
func (f *filter[R]) passes(row R) bool {
	f.line = f.line[:0]
	for i := range f.words {
		w := &f.words[i]
		var has bool
		if w.condition != nil {
			has = w.condition(row)
		} else {
			if len(f.line) == 0 {
				f.line = f.text(f.line, row)
			}
			has = bytes.Contains(f.line, w.text)
		}
		if has == w.not {
			return false
		}
	}
	return true
}

// conditions are what can be said of rows by name, in lower case: of a value, which rows have
// it.
type conditions[R any] map[string]condition[R]

// condition is one of them.
type condition[R any] struct {
	of     func(value string) (func(R) bool, error)
	values func(R) []string // that a row has, for completion; nil: too many, or numbers
	isOver bool             // it is said with >, and not with a colon
}

// knownNames are the names in order.
func (k *kind[R]) knownNames() []string { return slices.Sorted(maps.Keys(k.names)) }

// holding is a condition that one of some texts holds the value.
func holding[R any](texts func(R) []string) condition[R] {
	return condition[R]{values: texts, of: func(value string) (func(R) bool, error) {
		return func(row R) bool {
			return slices.ContainsFunc(texts(row), func(text string) bool { return strings.Contains(strings.ToLower(text), value) })
		}, nil
	}}
}

// named is a condition that one of some names is the value, in which * and ? stand for others.
func named[R any](names func(R) []string) condition[R] {
	return condition[R]{values: names, of: func(value string) (func(R) bool, error) {
		if _, err := path.Match(value, ""); err != nil {
			return nil, errors.New("a bracket is not closed")
		}
		return func(row R) bool {
			return slices.ContainsFunc(names(row), func(name string) bool {
				is, _ := path.Match(value, strings.ToLower(name))
				return is
			})
		}, nil
	}}
}

// within is a condition that one of some addresses is the value, or in the network that it is.
func within[R any](addresses func(R) []netip.Addr) condition[R] {
	return condition[R]{of: func(value string) (func(R) bool, error) {
		network, err := netip.ParsePrefix(value)
		if err != nil {
			address, err := netip.ParseAddr(value)
			if err != nil {
				return nil, errors.New("use an address, or a network such as 10.0.0.0/8")
			}
			network = netip.PrefixFrom(address, address.BitLen())
		}
		return func(row R) bool {
			return slices.ContainsFunc(addresses(row), func(a netip.Addr) bool { return network.Contains(a.Unmap().WithZone("")) })
		}, nil
	}}
}

// over is a condition that a number is larger than the value.
func over[R any](number func(R) float64) condition[R] {
	return condition[R]{isOver: true, of: func(value string) (func(R) bool, error) {
		digits, factor := value, 1.0
		if at := strings.IndexByte("kmgt", value[len(value)-1]); at >= 0 {
			digits = value[:len(value)-1]
			factor = []float64{1e3, 1e6, 1e9, 1e12}[at]
		}
		least, err := strconv.ParseFloat(digits, 64)
		if err != nil || !(least >= 0) {
			return nil, errors.New("use a number such as 500, 10k or 1.5M")
		}
		return func(row R) bool { return number(row) > least*factor }, nil
	}}
}

// longer is a condition that a time is longer than the value.
func longer[R any](length func(R) time.Duration) condition[R] {
	return condition[R]{isOver: true, of: func(value string) (func(R) bool, error) {
		least, err := time.ParseDuration(value)
		if err != nil || least < 0 {
			return nil, errors.New("use a time such as 100ms or 1.5s")
		}
		return func(row R) bool { return length(row) > least }, nil
	}}
}
