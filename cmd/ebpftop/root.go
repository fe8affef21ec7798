package main

import (
	"cmp"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/live"
)

func newRootCommand() *cobra.Command {
	var watch watchFlags
	var links linksfile.File
	var guard sessionGuard
	var showVersion bool
	root := &cobra.Command{
		Use:           "ebpftop",
		Short:         "See live what the Linux kernel sees",
		Long:          "ebpftop shows live what the Linux kernel sees, and connects interfaces in pairs.",
		Args:          noArguments,
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if showVersion {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "ebpftop", version())
				return err
			}
			said, err := watch.withSettings(cmd.Context())
			if err != nil {
				return err
			}
			opts, err := watch.options()
			if err := cmp.Or(err, errEmpty(cmd, "links")); err != nil {
				return err
			}
			forbidden := said.ErrRewiring()
			if links.Path != "" && forbidden != nil {
				return fmt.Errorf("--links: %w", forbidden)
			}
			if err := live.CheckLimits(opts); err != nil {
				return err
			}
			return withBeside(cmd.Context(), links, func(b *beside) error {
				opts.Inspector, opts.Expedite, opts.Confine, opts.Links = b.inspector, b.expedite.Begin, b.confineWatching, b.links
				opts.AllowLinks = guard.arm(b.inspector.Sessions).check
				return runDashboard(cmd.Context(), &watch, opts, b, forbidden)
			})
		},
	}
	watch.register(root, defaultDashboardInterval)
	root.Flags().StringVar(&links.Path, "links", "", "connect the interfaces of `FILE`, and follow it")
	trustFlag(root, &links)
	guard.register(root, adviseYes)
	for _, name := range []string{"yes", "trust-file"} {
		root.Flags().Lookup(name).Hidden = true // for want of a line: whoever needs it is told
	}
	root.Flags().BoolVarP(&showVersion, "version", "v", false, "version for ebpftop")
	root.Flags().Lookup("version").Hidden = true // for want of a line: there is a command
	root.SetFlagErrorFunc(flagError)
	shortenHelp(root)
	root.AddCommand(newStatsCommand(), newServeCommand(), newDoctorCommand(), newXconnectCommand(), newDemoCommand(), newConfigCommand(),
		newCompletionCommand(), newVersionCommand(),
		newSuperviseCommand(), newInspectCommand(), newKeepCommand(), newFollowCommand(), newSaveCommand())
	addCompletions(root)
	return root
}
