package main

import (
	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes"
)

func newRootCommand() *cobra.Command {
	var watch watchFlags
	var links string
	root := &cobra.Command{
		Use:   "ebpftop",
		Short: "See live what the Linux kernel sees",
		Long:  "ebpftop shows live what the Linux kernel sees, and connects interfaces in pairs.",
		Example: `  sudo ebpftop -i 'eth*' -i wg0   these interfaces instead of all that are up
  sudo ebpftop demo               a small lab with traffic, to look around`,
		Args:          cobra.NoArgs,
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       version(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			opts, err := watch.options()
			if err != nil {
				return err
			}
			opts.Links = links
			needs, err := watchingNeeds(links)
			if err != nil {
				return err
			}
			return withInspector(func(inspector *probes.Inspector) error {
				opts.Inspector = inspector
				return runDashboard(cmd.Context(), opts, needs)
			})
		},
	}
	watch.register(root, defaultDashboardInterval)
	root.Flags().StringVar(&links, "links", "", "connect the interfaces of `FILE`, and follow it")
	root.CompletionOptions.HiddenDefaultCmd = true
	shortenHelp(root)
	root.SetVersionTemplate("ebpftop {{.Version}}\n")
	root.AddCommand(newStatsCommand(), newDoctorCommand(), newXconnectCommand(), newDemoCommand(), newVersionCommand(),
		newInspectCommand())
	return root
}
