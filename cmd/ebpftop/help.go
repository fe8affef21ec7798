package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

// usage is a short form of cobra's: the help of every command fits on a screen of 80 by
// 24. It is not a template, because templates call methods by name, so the linker would
// have to keep all methods: four megabytes.
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
				fmt.Fprintf(&b, "  %-*s %s\n", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	if cmd.HasAvailableFlags() {
		flags := strings.TrimRight(cmd.Flags().FlagUsages(), " \n")
		if cmd.Flags().Lookup("no-owners") != nil {
			flags += "\n" + leaveOutHelp
		}
		writeFlags(&b, flags, strings.Count(cmd.Long, "\n")+2)
	}
	_, err := fmt.Fprint(cmd.OutOrStderr(), b.String())
	return err
}

// leaveOutHelp has on a line what watchFlags hides, for want of lines.
const leaveOutHelp = "      --no-args, --no-execs, --no-owners, --no-drops   leave these out"

// screenLines are those of a screen of 24 but for the next prompt.
const screenLines = 23

// writeFlags leaves a line free before them where there is room, below what was written and
// the lines before that.
func writeFlags(b *strings.Builder, flags string, before int) {
	if before+strings.Count(b.String(), "\n")+strings.Count(flags, "\n")+3 <= screenLines {
		b.WriteByte('\n')
	}
	fmt.Fprintf(b, "Flags:\n%s\n", flags)
}

// writeExample writes one that is a line on the line of its heading.
func writeExample(b *strings.Builder, example string) {
	if strings.Contains(example, "\n") {
		fmt.Fprintf(b, "\nExamples:\n%s\n", example)
		return
	}
	fmt.Fprintf(b, "Example: %s\n", strings.TrimSpace(example))
}

func shortenHelp(root *cobra.Command) {
	root.PersistentFlags().BoolP("help", "h", false, "show help")
	root.PersistentFlags().Lookup("help").Hidden = true // who reads it knows
	root.SetUsageFunc(usage)
	root.SetHelpCommand(newHelpCommand())
}
