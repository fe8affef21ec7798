package main

import "github.com/spf13/cobra"

// usageTemplate is cobra's, made short: the help of every command fits on a
// screen of 80 columns and 24 lines.
const usageTemplate = `Usage: {{.UseLine}}
{{- if .HasExample}}

Examples:
{{.Example}}
{{- end}}
{{- if .HasAvailableSubCommands}}

Commands, each with its own --help:
{{- range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name 8}} {{.Short}}
{{- end}}{{end}}
{{- end}}
{{- if .HasAvailableFlags}}

Flags:
{{.Flags.FlagUsages | trimTrailingWhitespaces}}
{{- end}}
`

func shortenHelp(root *cobra.Command) {
	root.PersistentFlags().BoolP("help", "h", false, "show help")
	root.PersistentFlags().Lookup("help").Hidden = true // who reads it knows
	root.SetUsageTemplate(usageTemplate)
	root.SetHelpCommand(&cobra.Command{Hidden: true})
}
