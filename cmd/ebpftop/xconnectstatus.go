package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/ui"
)

func newXconnectStatus() *cobra.Command {
	var check statusCheck
	var asExit bool
	cmd := &cobra.Command{
		Use:   "status [A B]",
		Short: "Say whether the pairs are up, for monitors",
		Long: `status says whether all pairs here are up, or the one of A and B, or those of a
file (-f). With --check, the exit status says so, in place of the ones below:

  0  up
  1  a pair waits or loses frames, or a running ebpftop cannot use its file
  2  down: a pair is not there, or an end of it is down; or there is no pair

What it finds is on the standard output, why it failed on the standard error.`,
		Args:              cobra.MatchAll(pairOrNone, interfaceNames),
		ValidArgsFunction: completePair,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errEmpty(cmd, "file"); err != nil {
				return err
			}
			if len(args) > 0 && check.file.Path != "" {
				return wrongUse(errors.New("a pair and a file: name one of them"))
			}
			if check.file.Path == standardInput {
				return wrongUse(errors.New("-f -: name a file"))
			}
			check.names = args
			found, err := check.run(cmd.Context())
			if err != nil {
				return err
			}
			worst, err := found.print(cmd.OutOrStdout())
			if err == nil && asExit && worst != 0 {
				return worst
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asExit, "check", false, "exit with 0, 1 or 2")
	fileFlags(cmd, &check.file)
	return cmd
}

func pairOrNone(_ *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] == helpWord {
		return pflag.ErrHelp
	}
	if len(args) != 0 && len(args) != 2 {
		return errors.New("name both interfaces of a pair, or none for all pairs")
	}
	return nil
}

// recheckAfter is when what is not well is looked at once more. A moment is no trouble, and
// frames are lost only if more are.
const recheckAfter = time.Second

// statusCheck looks whether pairs are up.
type statusCheck struct {
	names []string // of the pair that should be there; none for all
	file  linksfile.File
	kept  *crossconnect.PairSet
}

// run returns what it finds. If not all is well, it looks again a moment later.
func (c *statusCheck) run(ctx context.Context) (found findings, err error) {
	if err := errBlind(); err != nil {
		return nil, err
	}
	if err := confineOnce(); err != nil {
		return nil, err
	}
	err = withKept(ctx, func(kept *crossconnect.PairSet) error {
		c.kept = kept
		found, err = c.look(ctx)
		if err != nil || found.worst() == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(recheckAfter):
		}
		found, err = c.look(ctx)
		return err
	})
	return found, err
}

// errBlind returns an error if this process cannot see all pairs: to see none would then
// not mean that there are none.
func errBlind() error {
	have := libcap.GetProc()
	for _, value := range []libcap.Value{libcap.SYS_ADMIN, libcap.DAC_READ_SEARCH} {
		if held, err := have.GetFlag(libcap.Effective, value); err != nil || !held {
			return fmt.Errorf("cannot tell: without %s, not all pairs can be seen: run it as root", value)
		}
	}
	return nil
}

// look returns the health of each pair that there is, or should be.
func (c *statusCheck) look(ctx context.Context) (found findings, err error) {
	// Because devices may have come back meanwhile with no ebpftop running.
	if err := c.kept.Reconcile(); err != nil {
		found.add("kept pairs", healthDegraded, oneLine(err))
	}
	list, err := c.kept.Status()
	if err != nil {
		return nil, err
	}
	others, err := crossconnect.ListOthers()
	if err != nil {
		return nil, err
	}
	flags, err := listFlags()
	if err != nil {
		return nil, err
	}
	list = append(list, others...)
	wanted, err := c.wanted(ctx)
	switch {
	case err != nil:
		found.add("file", healthDegraded, oneLine(err))
	case wanted != nil:
		found.compare(wanted, list, flags)
	case len(list) == 0:
		found.add("pairs", healthDown, "none here: name one, or a file (-f), to say which should be")
	default:
		for i := range list {
			found.addPair(&list[i], flags)
		}
		found.addFiles(ctx, others)
	}
	return found, nil
}

// wanted returns the pairs that should be there, nil if no particular ones.
func (c *statusCheck) wanted(ctx context.Context) ([]crossconnect.Pair, error) {
	if len(c.names) > 0 {
		return []crossconnect.Pair{{A: c.names[0], B: c.names[1]}}, nil
	}
	if c.file.Path == "" {
		return nil, nil
	}
	pairs, err := pairsOf(ctx, c.file)
	return notNil(pairs), err
}

// pairsOf returns the pairs of a file, whether their interfaces are there or not.
func pairsOf(ctx context.Context, file linksfile.File) ([]crossconnect.Pair, error) {
	data, err := linksfile.Read(ctx, file)
	if err != nil {
		return nil, err
	}
	return linksfile.Parse(file.Path, data, func(string) error { return nil })
}

// findings holds what `xconnect status` prints.
type findings []finding

type finding struct {
	what   string
	isPair bool // else a file
	health health
	reason string
}

func (f *findings) add(what string, h health, reason string) {
	*f = append(*f, finding{what: what, health: h, reason: reason})
}

func (f *findings) addPair(s *crossconnect.Status, flags interfaceFlags) {
	h, reason := healthOf(s, flags)
	if h == healthWaiting && reason == "" {
		reason = fmt.Sprintf("not connected: the log of process %d says why", s.Owner)
	}
	*f = append(*f, finding{s.A + " and " + s.B, true, h, reason})
}

// compare adds the wanted pairs, as they are in a list.
func (f *findings) compare(wanted []crossconnect.Pair, list []crossconnect.Status, flags interfaceFlags) {
	for _, pair := range wanted {
		if i := indexOf(list, pair); i >= 0 {
			f.addPair(&list[i], flags)
		} else {
			*f = append(*f, finding{pair.A + " and " + pair.B, true, healthDown, "not connected"})
		}
	}
}

func (f findings) worst() (status exitStatus) {
	for _, one := range f {
		status = max(status, one.health.exit())
	}
	return status
}

// print writes a line for all, and one for each thing that is not well.
func (f findings) print(out io.Writer) (worst exitStatus, err error) {
	worst = f.worst()
	pairs, up, rest := 0, 0, ""
	for _, one := range f {
		if one.isPair {
			pairs++
		}
		if one.health == healthUp {
			up++
			continue
		}
		rest += fmt.Sprintf("%s: %s: %s\n", ui.Escape(one.what), one.health, ui.Escape(one.reason))
	}
	text := map[exitStatus]health{0: healthUp, 1: healthDegraded, 2: healthDown}[worst]
	summary := fmt.Sprintf("%d of %d pairs up", up, pairs)
	if pairs == 0 {
		summary = "no pairs"
	}
	_, err = fmt.Fprintf(out, "%s: %s\n%s", text, summary, rest)
	return worst, err
}
