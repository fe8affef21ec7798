package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
)

// addFiles adds the files of links that running ebpftops follow and whose pairs are not
// there. Because it compares the file with the kernel, it also finds one that hangs.
func (f *findings) addFiles(ctx context.Context, others []crossconnect.Status) {
	byOwner := make(map[int][]crossconnect.Status)
	for _, s := range others {
		byOwner[s.Owner] = append(byOwner[s.Owner], s)
	}
	for _, owner := range slices.Sorted(maps.Keys(byOwner)) {
		list := byOwner[owner]
		file, isAll, err := followedBy(owner)
		if err != nil || file.Path == "" {
			continue // ended meanwhile, or follows none
		}
		pairs, err := pairsOf(ctx, file)
		if errors.Is(err, fs.ErrNotExist) && !sameMounts(owner) {
			continue // it may be there for that process
		}
		what := fmt.Sprintf("%s of process %d", file.Path, owner)
		switch {
		case err != nil:
			f.add(what, healthDegraded, "not in force: "+oneLine(err))
		case !areIn(list, pairs) || isAll && len(pairs) != len(list):
			f.add(what, healthDegraded, "not in force: the pairs there are others, its log says why")
		}
	}
}

// followedBy returns the file of links that an ebpftop was started with, and whether all
// its pairs are from there.
func followedBy(pid int) (file linksfile.File, isAll bool, err error) {
	proc := fmt.Sprint("/proc/", pid)
	line, err := os.ReadFile(proc + "/cmdline")
	if err != nil {
		return file, false, err
	}
	args := strings.Split(strings.TrimSuffix(string(line), "\x00"), "\x00")
	cmd, flags, err := newRootCommand().Find(args[1:])
	if err != nil {
		return file, false, err
	}
	if err := cmd.ParseFlags(flags); err != nil {
		return file, false, err
	}
	for _, name := range []string{"links", "file"} {
		if flag := cmd.Flags().Lookup(name); flag != nil {
			file.Path, isAll = flag.Value.String(), name == "file"
		}
	}
	if trust := cmd.Flags().Lookup("trust-file"); trust != nil {
		file.Trusted = trust.Value.String() == "true"
	}
	if file.Path == "" || filepath.IsAbs(file.Path) {
		return file, isAll, nil
	}
	dir, err := os.Readlink(proc + "/cwd")
	file.Path = dir + "/" + file.Path // not cleaned: a/../b would be another where a is a link
	return file, isAll, err
}

// sameMounts tells whether a process sees the files that we see.
func sameMounts(pid int) bool {
	its, errIts := os.Readlink(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	ours, errOurs := os.Readlink("/proc/self/ns/mnt")
	return errIts == nil && errOurs == nil && its == ours
}

// indexOf finds a pair, whichever of its ends comes first.
func indexOf(list []crossconnect.Status, pair crossconnect.Pair) int {
	return slices.IndexFunc(list, func(s crossconnect.Status) bool { return pair.Joins(s.A, s.B) })
}

func areIn(list []crossconnect.Status, pairs []crossconnect.Pair) bool {
	return !slices.ContainsFunc(pairs, func(p crossconnect.Pair) bool { return indexOf(list, p) < 0 })
}
