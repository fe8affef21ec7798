package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usage is cobra's, made short: the help of every command fits on a screen of 80
// columns and 24 lines. No template: with those, which call by name, the linker
// has to keep every method there is, four megabytes that nobody calls.
func usage(cmd *cobra.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Usage: %s", cmd.UseLine())
	if separator := "    "; len("Usage: "+cmd.UseLine()+separator+exitStatusHelp) <= 80 {
		b.WriteString(separator)
	} else {
		b.WriteByte('\n')
	}
	fmt.Fprintln(&b, exitStatusHelp)
	if cmd.HasExample() {
		writeExample(&b, cmd.Example)
	}
	if cmd.HasAvailableSubCommands() {
		b.WriteString("\nCommands, each with its own --help:\n")
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				fmt.Fprintf(&b, "  %-8s %s\n", c.Name(), c.Short)
			}
		}
	}
	if cmd.HasAvailableFlags() {
		fmt.Fprintf(&b, "\nFlags:\n%s\n", strings.TrimRight(cmd.Flags().FlagUsages(), " \n"))
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// writeExample writes one that is a line on the line of its heading.
func writeExample(b *strings.Builder, example string) {
	if strings.Contains(example, "\n") {
		fmt.Fprintf(b, "\nExamples:\n%s\n", example)
		return
	}
	fmt.Fprintf(b, "\nExample: %s\n", strings.TrimSpace(example))
}

func shortenHelp(root *cobra.Command) {
	root.PersistentFlags().BoolP("help", "h", false, "show help")
	root.PersistentFlags().Lookup("help").Hidden = true // who reads it knows
	root.SetUsageFunc(usage)
	root.SetHelpCommand(newHelpCommand())
}
