package peers

import (
	"cmp"
	"fmt"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// AllNamespaces means every network namespace that has a process or a name.
const AllNamespaces = "all"

// Namespace is a network namespace other than our own.
type Namespace struct {
	Inode uint32
	// Name is a host name, else a name in /run/netns, else the number. No two have the same.
	Name   string
	Number int // its netnsid in our own
}

// Links lists its interfaces. It fails if the namespace is gone.
func (f *Finder) Links(n Namespace) ([]netlink.Link, error) { return f.asker.Links(n.Number) }

// Addresses lists the addresses of its interfaces by ifindex.
func (f *Finder) Addresses(n Namespace) (map[int][]netip.Prefix, error) {
	return f.asker.Addresses(n.Number)
}

// NamedNamespaces are the names in /run/netns.
func NamedNamespaces() (names []string) {
	entries, _ := os.ReadDir(namedNamespaces) // none have a name
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// NameOf is what a network namespace is called that ebpftop is in: empty for that of the
// first process, else its name in /run/netns or its number.
func NameOf(inode uint32) string {
	var first unix.Stat_t
	if unix.Stat("/proc/1/ns/net", &first) == nil && uint32(first.Ino) == inode {
		return ""
	}
	for _, name := range NamedNamespaces() {
		var stat unix.Stat_t
		if unix.Stat(filepath.Join(namedNamespaces, name), &stat) == nil && uint32(stat.Ino) == inode {
			return name
		}
	}
	return strconv.FormatUint(uint64(inode), 10)
}

// candidate is what may be meant by an argument.
type candidate struct {
	names    []string // in namedNamespaces
	pids     []int
	hostname string
	number   func() (int, error)
}

// Namespaces are those that are meant by any of texts: a name in /run/netns, a pid, a host
// name, the id or name of a container, or AllNamespaces. It returns those texts, too, that
// mean none.
func (f *Finder) Namespaces(texts []string) (found []Namespace, unknown []string, err error) {
	candidates, err := f.candidates()
	if err != nil {
		return nil, nil, err
	}
	matched := make([]bool, len(texts))
	for inode, c := range candidates {
		isMeant := false
		for i, text := range texts {
			if text == AllNamespaces || c.isCalled(text) {
				matched[i], isMeant = true, true
			}
		}
		if !isMeant {
			continue
		}
		number, err := c.number()
		if err != nil {
			continue // it is gone
		}
		name := cmp.Or(c.hostname, slices.Min(append(c.names, "\xff")))
		if name == "\xff" {
			name = "netns" + strconv.Itoa(number)
		}
		found = append(found, Namespace{Inode: inode, Name: name, Number: number})
	}
	for i, text := range texts {
		if !matched[i] && text != AllNamespaces {
			unknown = append(unknown, text)
		}
	}
	tellApart(found)
	return found, unknown, nil
}

// tellApart orders namespaces, and gives those with the same name their numbers.
func tellApart(found []Namespace) {
	slices.SortFunc(found, func(a, b Namespace) int { return cmp.Compare(a.Inode, b.Inode) })
	count := make(map[string]int)
	for _, n := range found {
		count[n.Name]++
	}
	for i := range found {
		n := &found[i]
		if count[n.Name] < 2 {
			continue
		}
		// Again, where somebody has called his host what ours would be called then.
		for isTaken := true; isTaken; isTaken = count[n.Name] > 0 {
			n.Name += "#" + strconv.Itoa(n.Number)
		}
		count[n.Name]++
	}
}

// candidates are all namespaces that have a process or a name, by inode number.
func (f *Finder) candidates() (map[uint32]*candidate, error) {
	if f.hostnames == nil {
		return nil, fmt.Errorf("find network namespaces: %w", f.refusal)
	}
	tenants, err := f.hostnames.list()
	if err != nil {
		return nil, err
	}
	candidates := make(map[uint32]*candidate)
	for inode, t := range tenants {
		candidates[inode] = &candidate{
			hostname: t.hostname, number: func() (int, error) { return f.asker.SetNumberOfProcess(t.pid) },
		}
	}
	for i := range f.hostnames.processes {
		p := &f.hostnames.processes[i]
		c := candidates[p.NetworkNamespace]
		c.pids = append(c.pids, int(p.Pid))
	}
	for _, name := range NamedNamespaces() {
		f.addNamed(candidates, name)
	}
	return candidates, nil
}

// addNamed adds a namespace of namedNamespaces, unless it is our own or none.
func (f *Finder) addNamed(candidates map[uint32]*candidate, name string) {
	file := filepath.Join(namedNamespaces, name)
	var stat unix.Stat_t
	var filesystem unix.Statfs_t
	if unix.Stat(file, &stat) != nil || unix.Statfs(file, &filesystem) != nil ||
		filesystem.Type != unix.NSFS_MAGIC || uint32(stat.Ino) == f.namespace {
		return
	}
	c := candidates[uint32(stat.Ino)]
	if c == nil {
		c = &candidate{number: func() (int, error) {
			opened, err := os.Open(file)
			if err != nil {
				return 0, err
			}
			defer opened.Close()
			return f.asker.SetNumber(opened)
		}}
		candidates[uint32(stat.Ino)] = c
	}
	c.names = append(c.names, name)
}

// isCalled tells whether a namespace is meant by text.
func (c *candidate) isCalled(text string) bool {
	if slices.Contains(c.names, text) || c.hostname != "" && text == c.hostname {
		return true
	}
	if pid, err := strconv.Atoi(text); err == nil && slices.Contains(c.pids, pid) {
		return true
	}
	return slices.ContainsFunc(c.pids, func(pid int) bool {
		cgroups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
		return err == nil && isContainer(string(cgroups), text)
	})
}

// leastID is how many digits of a container's id are enough.
const leastID = 8

// isContainer tells whether the lines of /proc/PID/cgroup are of a container: by the end of its
// path, which is an id or a name, maybe behind that of the runtime ("docker-ID.scope",
// "cri-containerd-ID.scope", "machine-NAME.scope", "lxc.payload.NAME").
func isContainer(cgroups, text string) bool {
	for line := range strings.Lines(cgroups) {
		fields := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(fields) < 3 {
			continue
		}
		for last := fields[2]; last != "/" && last != "." && last != ""; last = path.Dir(last) {
			name := strings.TrimSuffix(path.Base(last), ".scope")
			for _, called := range []string{name, name[strings.LastIndexByte(name, '-')+1:], strings.TrimPrefix(name, "lxc.payload."), strings.TrimPrefix(name, "machine-")} {
				if called == text || isID(text) && strings.HasPrefix(called, text) {
					return true
				}
			}
		}
	}
	return false
}

func isID(text string) bool {
	return len(text) >= leastID && strings.Trim(text, "0123456789abcdef") == ""
}
