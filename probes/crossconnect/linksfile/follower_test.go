package linksfile

import (
	"errors"
	"strings"
	"testing"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
)

// TestFollower says of a version that cannot be used that the last good links go on: once,
// and only if there are any.
func TestFollower(t *testing.T) {
	p := newPlace(t)
	refuse := errors.New("refused")
	file := File{Path: p.at("dir/file")}
	remote, server, err := OpenRemote(t.Context(), file)
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- errors.Join(Serve(t.Context(), file, server), server.Close()) }()
	f := Follow(t.Context(), remote, func(pairs []crossconnect.Pair) error {
		if len(pairs) > 0 {
			t.Errorf("pairs %v", pairs)
		}
		return refuse
	})
	<-f.Versions()
	const goOn = "the last good links go on"
	good, bad := Version{Data: []byte("links: {}")}, Version{Data: []byte("links")}
	for _, step := range []struct {
		version Version
		refused error
		says    string
		goOn    int
	}{
		{bad, nil, "file:1: a word", 0},
		{good, refuse, "file: refused", 0},
		{good, nil, "", 0},
		{bad, nil, "file:1: a word", 1},
		{Version{Err: ErrUnsafe}, nil, "--trust-file", 1},
		{good, refuse, "file: refused", 1},
		{good, nil, "", 0},
	} {
		refuse = step.refused
		err := f.Use(step.version)
		if (err == nil) != (step.says == "") || err != f.Problem() || err != nil &&
			(!strings.Contains(err.Error(), step.says) || strings.Count(err.Error(), goOn) != step.goOn) {
			t.Errorf("%q: %v, want %q, %d times that they go on", step.version.Data, err, step.says, step.goOn)
		}
	}
	f.Reread()
	f.Reread() // does not wait for the first
	expect(t, f.Versions(), "good")
	must(t, errors.Join(remote.Close(), <-served))
	await(t, f.Versions(), func(v Version) bool { return errors.Is(v.Err, errNobodyFollows) }, errNobodyFollows.Error())
	f.Reread()
	await(t, f.Versions(), func(v Version) bool { return errors.Is(v.Err, errNobodyFollows) }, errNobodyFollows.Error())
}
