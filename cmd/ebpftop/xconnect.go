package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/ui"
)

func newXconnectCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "xconnect",
		Short: "Connect interfaces in pairs",
		Long: `xconnect connects interfaces in pairs: every frame that enters one leaves by the
other, unchanged. What add, del and apply do stays when they end, until del or
the next boot, in the network namespace they run in; the dashboard shows it.`,
		Example: `  sudo ebpftop xconnect add eth1 eth2
  sudo ebpftop xconnect add eth1 eth2 --trial 30s && ssh router uptime &&
      sudo ebpftop xconnect confirm
  sudo ebpftop xconnect run -f links.yaml`,
		Args: noArguments, // looked at only because it can be run
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	changing := []*cobra.Command{newXconnectAdd(), newXconnectDel(), newXconnectApply(), newXconnectConfirm(),
		newXconnectRollback(), newXconnectRun()}
	onlyIfAllowed(changing...)
	cmd.AddCommand(newHelpCommand(), newXconnectList(), newXconnectStatus())
	cmd.AddCommand(changing...)
	return cmd
}

// withKept calls fn with the pairs that are kept.
func withKept(ctx context.Context, fn func(*crossconnect.PairSet) error) (err error) {
	if err := errNoRights(); err != nil {
		return err
	}
	kept, err := crossconnect.OpenKept()
	if err != nil {
		return err
	}
	kept.Stop = ctx.Done()
	defer func() { err = errors.Join(err, kept.Close()) }()
	return fn(kept)
}

// changeKept is withKept for what changes them.
func changeKept(ctx context.Context, fn func(*crossconnect.PairSet) error) error {
	if err := prepareKeeping(); err != nil {
		return err
	}
	return withKept(ctx, fn)
}

// interfaceNames fails on an argument that no interface can be called.
func interfaceNames(_ *cobra.Command, args []string) error {
	for _, name := range args {
		if err := probes.CheckInterfaceName(name); err != nil {
			return err
		}
	}
	return nil
}

// trialFlag is --trial.
type trialFlag time.Duration

func (t *trialFlag) register(cmd *cobra.Command) {
	cmd.Flags().DurationVar((*time.Duration)(t), "trial", 0, "undo it after this `TIME` unless confirmed")
}

// check is for after the flags were read.
func (t trialFlag) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("trial") && time.Duration(t) < time.Second {
		return wrongUse(fmt.Errorf("--trial %v: use 1s or more", time.Duration(t)))
	}
	return nil
}

// say tells how long a trial has.
func (t trialFlag) say(out io.Writer) error {
	if t == 0 {
		return nil
	}
	_, err := fmt.Fprintf(out, "on trial for %v: `ebpftop xconnect confirm` makes it stay\n", time.Duration(t))
	return err
}

func newXconnectAdd() *cobra.Command {
	var trial trialFlag
	var guard sessionGuard
	var datapath string
	var wait bool
	cmd := &cobra.Command{
		Use:               "add A B",
		Short:             "Connect A and B; A and A sends back what A receives",
		Args:              onePair,
		ValidArgsFunction: completePair,
		RunE: func(cmd *cobra.Command, args []string) error {
			requested, err := crossconnect.ParseDatapath(datapath)
			if err != nil {
				return wrongUse(fmt.Errorf("--datapath: %w", err))
			}
			if err := trial.check(cmd); err != nil {
				return err
			}
			if err := prepareKeeping(); err != nil {
				return err
			}
			pair := crossconnect.Pair{A: args[0], B: args[1], AToB: requested, BToA: requested, Wait: wait}
			if err := guard.checkNow(trial, nil, []crossconnect.Pair{pair}); err != nil {
				return err
			}
			err = withKept(cmd.Context(), func(kept *crossconnect.PairSet) error {
				return kept.Edit(time.Duration(trial), func(pairs []crossconnect.Pair) ([]crossconnect.Pair, error) {
					return append(pairs, pair), nil
				})
			})
			if err != nil {
				return err
			}
			return trial.say(cmd.OutOrStdout())
		},
	}
	cmd.Flags().StringVar(&datapath, "datapath", string(crossconnect.Auto), "`DATAPATH`: auto, or xdp, xdp-generic, tc")
	cmd.Flags().Lookup("datapath").DefValue = "" // the text says it
	cmd.Flags().BoolVar(&wait, "wait", false, "accept interfaces that do not exist yet")
	trial.register(cmd)
	guard.register(cmd, adviseTrial)
	return cmd
}

func newXconnectDel() *cobra.Command {
	var trial trialFlag
	cmd := &cobra.Command{
		Use:               "del A [B]",
		Short:             "Disconnect A",
		Args:              pairOrEnd,
		ValidArgsFunction: completePair,
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := trial.check(cmd); err != nil {
				return err
			}
			if err := prepareKeeping(); err != nil {
				return err
			}
			err := withKept(cmd.Context(), func(kept *crossconnect.PairSet) error {
				return disconnect(kept, args, time.Duration(trial))
			})
			if err != nil {
				return err
			}
			return trial.say(cmd.OutOrStdout())
		},
	}
	trial.register(cmd)
	return cmd
}

// disconnect ends the kept pair of one or two named interfaces, or what is left
// of one whose pins somebody removed.
func disconnect(kept *crossconnect.PairSet, names []string, trial time.Duration) error {
	errEdit := kept.Edit(trial, func(pairs []crossconnect.Pair) ([]crossconnect.Pair, error) {
		return without(pairs, names)
	})
	if !errors.Is(errEdit, errNoKeptPair) || trial != 0 {
		return errEdit
	}
	peer := ""
	if len(names) > 1 {
		peer = names[1]
	}
	removed, err := kept.RemoveUnpinned(names[0], peer)
	if removed || err != nil {
		return err
	}
	return errEdit
}

// without removes the pair of one or two named interfaces.
func without(pairs []crossconnect.Pair, names []string) ([]crossconnect.Pair, error) {
	i := slices.IndexFunc(pairs, func(p crossconnect.Pair) bool {
		if len(names) == 1 {
			return p.A == names[0] || p.B == names[0]
		}
		return p.A == names[0] && p.B == names[1] || p.A == names[1] && p.B == names[0]
	})
	if i >= 0 {
		return slices.Delete(pairs, i, i+1), nil
	}
	return nil, errNotKept(names)
}

var errNoKeptPair = errors.New("no kept pair")

// errNotKept returns an error that says that interfaces are not a kept pair, and who has
// the first one.
func errNotKept(names []string) error {
	others, err := crossconnect.ListOthers()
	if err != nil {
		return err
	}
	for _, s := range others {
		if s.A != names[0] && s.B != names[0] {
			continue
		}
		if !s.Kept {
			return fmt.Errorf("process %d connected %s: disconnect it there, or end that", s.Owner, names[0])
		}
		return fmt.Errorf("%s is kept by pins in another bpffs, a container's or one that another is mounted over (`findmnt /sys/fs/bpf` shows both): disconnect it there", names[0])
	}
	return fmt.Errorf("%s: %w: `ebpftop xconnect list` shows those there are", strings.Join(names, " and "), errNoKeptPair)
}

func newXconnectConfirm() *cobra.Command {
	return &cobra.Command{
		Use:   "confirm",
		Short: "Make what is on trial stay",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return changeKept(cmd.Context(), (*crossconnect.PairSet).Confirm)
		},
	}
}

func newXconnectRollback() *cobra.Command {
	return &cobra.Command{
		Use:   "rollback",
		Short: "Take back what is on trial now",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return changeKept(cmd.Context(), (*crossconnect.PairSet).Rollback)
		},
	}
}

func newXconnectList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the pairs, those of running ebpftops included",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := confineOnce(); err != nil {
				return err
			}
			var list []crossconnect.Status
			var locked error
			err := withKept(cmd.Context(), func(kept *crossconnect.PairSet) (err error) {
				// Whatever became of devices and processes meanwhile, it is put right.
				if locked = kept.Reconcile(); locked != nil && !errors.Is(locked, crossconnect.ErrLocked) {
					return locked
				}
				list, err = kept.Status()
				return err
			})
			if err != nil {
				return err
			}
			others, unknown := crossconnect.ListOthers()
			if unknown != nil && !errors.Is(unknown, crossconnect.ErrUnknown) {
				return unknown
			}
			if list = append(list, others...); asJSON {
				err = writeJSON(cmd.OutOrStdout(), notNil(list), "  ")
			} else {
				err = printPairs(cmd.OutOrStdout(), list)
			}
			if unknown != nil {
				unknown = fmt.Errorf("kept pairs and %w: run it as root", unknown)
			}
			return cmp.Or(err, unknown, locked)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "as a JSON array")
	return cmd
}

func printPairs(out io.Writer, list []crossconnect.Status) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "A\tB\tstate\torigin\tdatapath\tpackets\tbytes\tdropped\treason")
	for _, s := range list {
		origin := string(s.Origin)
		if s.Origin == crossconnect.OriginOther && s.Kept {
			origin = "another bpffs"
		} else if s.Origin == crossconnect.OriginOther {
			origin = fmt.Sprintf("process %d", s.Owner)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s/%s\t%d/%d\t%d/%d\t%d/%d\t%s\n",
			ui.Escape(s.A), ui.Escape(s.B), s.State, origin, orDash(s.AToB.Datapath), orDash(s.BToA.Datapath),
			s.AToB.Packets, s.BToA.Packets, s.AToB.Bytes, s.BToA.Bytes, s.AToB.Dropped, s.BToA.Dropped,
			ui.Escape(s.Reason))
	}
	return table.Flush()
}

func orDash(d crossconnect.Datapath) string {
	if d == "" {
		return "-"
	}
	return string(d)
}
