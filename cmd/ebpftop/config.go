package main

import (
	"cmp"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/settings"
)

func newConfigCommand() *cobra.Command {
	var watch watchFlags
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Show the settings, and where each comes from",
		Long: `config prints the settings in force: a flag wins over the environment
(EBPFTOP_NO_ARGS=true), that over ~/.config/ebpftop/config.yaml of who runs
ebpftop, or called sudo, and that over ` + settings.SystemFile + `.`,
		Example: `  ebpftop config default >~/.config/ebpftop/config.yaml`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			said, err := watch.withSettings(cmd.Context())
			if err != nil {
				return err
			}
			if _, err := watch.options(); err != nil {
				return err
			}
			return writeSettings(cmd.OutOrStdout(), watch.set, said)
		},
	}
	watch.register(cmd, defaultDashboardInterval)
	cmd.Flags().Lookup("config").Hidden = false
	cmd.AddCommand(newHelpCommand(), newConfigDefault(), newConfigSchema())
	return cmd
}

// writeSettings writes a file of settings that says what is in force.
func writeSettings(out io.Writer, set *pflag.FlagSet, said *settings.Settings) error {
	var b strings.Builder
	set.VisitAll(func(flag *pflag.Flag) {
		line := flag.Name + ": " + yamlOf(flag)
		if line = strings.TrimRight(line, " "); line[len(line)-1] == ':' {
			line = "# " + line
		}
		fmt.Fprintf(&b, "%-32s # %s\n", line, said.Origin(flag))
	})
	if err := said.ErrRewiring(); err != nil {
		fmt.Fprintf(&b, "# %v\n", err)
	}
	_, err := io.WriteString(out, b.String())
	return err
}

// yamlOf is the value of a flag as a file of settings has it, "" if it is not set.
func yamlOf(flag *pflag.Flag) string {
	switch v := flag.Value.(type) {
	case pflag.SliceValue:
		words := v.GetSlice()
		if len(words) == 0 {
			return ""
		}
		for i, word := range words {
			words[i] = yamlWord(word, flag)
		}
		return "[" + strings.Join(words, ", ") + "]"
	default:
		text := v.String()
		if v.Type() == "stringToString" {
			text = strings.Trim(text, "[]")
			if text == "" {
				return ""
			}
			return "{" + strings.ReplaceAll(strings.ReplaceAll(text, "=", ": "), ",", ", ") + "}"
		}
		return yamlWord(text, flag)
	}
}

// yamlWord is in quotes if it could be taken for something else.
func yamlWord(word string, flag *pflag.Flag) string {
	if flag.Value.Type() != "stringArray" {
		return word
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

func newConfigDefault() *cobra.Command {
	return &cobra.Command{
		Use:   "default",
		Short: "Print a file of settings that changes nothing, with comments",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var watch watchFlags
			watch.define(defaultDashboardInterval)
			var b strings.Builder
			b.WriteString("# Settings of ebpftop. Remove the # of a line to set it.\n")
			watch.set.VisitAll(func(flag *pflag.Flag) {
				_, usage := pflag.UnquoteUsage(flag)
				fmt.Fprintf(&b, "\n# %s\n# %s: %s\n", usage, flag.Name, cmp.Or(yamlOf(flag), kindOf(flag).example))
			})
			fmt.Fprintf(&b, `
# In %s alone. Switches that no flag, variable or
# file of a user undoes:
# enforce: [no-args, no-execs]
#
# Who may connect interfaces: root, or anyone who may run ebpftop:
# rewiring: anyone
`, settings.SystemFile)
			_, err := io.WriteString(cmd.OutOrStdout(), b.String())
			return err
		},
	}
}

// settingKind is what values a setting takes, by the type of its flag.
type settingKind struct {
	example string         // where there is no default
	schema  map[string]any // JSON Schema
}

func kindOf(flag *pflag.Flag) settingKind {
	list := func(of string) map[string]any {
		return map[string]any{"type": []string{"array", of}, "items": map[string]any{"type": of}}
	}
	switch flag.Value.Type() {
	case "bool":
		return settingKind{schema: map[string]any{"type": "boolean"}}
	case "uint32":
		return settingKind{schema: map[string]any{"type": "integer", "minimum": 1}}
	case "duration":
		return settingKind{schema: map[string]any{"type": "string", "pattern": `^([0-9.]+(ms|s|m|h))+$`}}
	case "intSlice":
		return settingKind{"[443]", list("integer")}
	case "stringArray":
		return settingKind{map[string]string{"interface": `["eth*"]`, "netns": "[all]"}[flag.Name], list("string")}
	case "stringToString":
		return settingKind{"{tcp: 5m}", map[string]any{"type": "object", "additionalProperties": map[string]any{"type": "string"}}}
	}
	return settingKind{schema: map[string]any{"type": "string"}}
}

func newConfigSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of a file of settings, for editors",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var watch watchFlags
			watch.define(defaultDashboardInterval)
			properties := map[string]any{
				settings.EnforceKey:  map[string]any{"type": "array", "items": map[string]any{"type": "string"}},
				settings.RewiringKey: map[string]any{"enum": []string{"root", "anyone"}},
			}
			watch.set.VisitAll(func(flag *pflag.Flag) {
				_, usage := pflag.UnquoteUsage(flag)
				property := kindOf(flag).schema
				property["description"] = usage
				properties[flag.Name] = property
			})
			return writeJSON(cmd.OutOrStdout(), map[string]any{
				"$schema":              "https://json-schema.org/draft/2020-12/schema",
				"title":                "Settings of ebpftop",
				"type":                 "object",
				"additionalProperties": false,
				"properties":           properties,
			}, "  ")
		},
	}
}
