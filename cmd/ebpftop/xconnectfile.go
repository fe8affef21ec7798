package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/crossconnect"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
)

func newXconnectApply() *cobra.Command {
	var file linksfile.File
	var trial trialFlag
	var guard sessionGuard
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Make the pairs of a file the kept ones, all or none",
		Long: `apply makes the pairs of a file the kept ones: all of them and no others, or it
changes nothing. With -f - it reads them from its standard input.`,
		Args:              oneFile(&file.Path),
		ValidArgsFunction: completeFile,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := trial.check(cmd); err != nil {
				return err
			}
			if err := prepareKeeping(); err != nil {
				return err
			}
			name, data, err := readLinks(cmd.Context(), file, cmd.InOrStdin())
			if err != nil {
				return err
			}
			check, err := crossconnect.Check()
			if err != nil {
				return err
			}
			pairs, err := linksfile.Parse(name, data, check)
			if err != nil {
				return err
			}
			err = withKept(cmd.Context(), func(kept *crossconnect.PairSet) error {
				before, err := kept.Pairs()
				if err != nil {
					return err
				}
				if err := guard.checkNow(trial, before, pairs); err != nil {
					return err
				}
				return kept.Set(pairs, time.Duration(trial))
			})
			if err != nil {
				return err
			}
			return trial.say(cmd.OutOrStdout())
		},
	}
	fileFlags(cmd, &file)
	trial.register(cmd)
	guard.register(cmd, adviseTrial)
	return cmd
}
