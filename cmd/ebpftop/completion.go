package main

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/settings"
	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/web"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/peers"
	"github.com/ebpftop/ebpftop/ui"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

var shells = []string{"bash", "zsh", "fish"}

func newCompletionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "completion bash|zsh|fish",
		Short: "Print a script that has Tab complete commands and values",
		Long: `completion prints a script for a shell that completes commands, flags and their
values, such as interfaces. Packages install it.`,
		Example: `  source <(ebpftop completion bash)
  ebpftop completion zsh >"${fpath[1]}/_ebpftop"
  ebpftop completion fish >~/.config/fish/completions/ebpftop.fish`,
		Args:      oneShell,
		ValidArgs: shells,
		RunE: func(cmd *cobra.Command, args []string) error {
			root, out := cmd.Root(), cmd.OutOrStdout()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(out, true)
			case "zsh":
				return root.GenZshCompletion(out)
			default:
				return root.GenFishCompletion(out, true)
			}
		},
	}
}

func oneShell(cmd *cobra.Command, args []string) error {
	if len(args) == 1 && args[0] == helpWord {
		return pflag.ErrHelp
	}
	if err := cobra.MatchAll(cobra.ExactArgs(1), cobra.OnlyValidArgs)(cmd, args); err != nil {
		return fmt.Errorf("name a shell: %s %s", cmd.CommandPath(), strings.Join(shells, ", "))
	}
	return nil
}

// flagValues completes the values of flags, by their names on all commands. What is left out
// takes a number, a time, or words that are in no list.
var flagValues = map[string]cobra.CompletionFunc{
	"interface":  completeInterfaceList,
	"netns":      completeNamespaces,
	"hook":       completeWords(probes.Hooks()...),
	"datapath":   completeWords(probes.Datapaths()...),
	"links":      completeYAML,
	"file":       completeYAML,
	"config":     completeSettings,
	"idle":       cobra.FixedCompletions([]string{"closed=", "other=", "tcp="}, cobra.ShellCompDirectiveNoSpace),
	"color":      completeWords(ui.ColorAuto, ui.ColorAlways, ui.ColorNever),
	"ascii":      completeWords("auto", "true", "false"),
	"units":      completeWords(ui.AllUnits...),
	"theme":      completeWords(ui.AllThemes...),
	"by":         completeWords(snapshot.Groupings...),
	"listen":     completeWords(defaultListen, "unix:", web.FromSystemd),
	"log-format": completeWords("text", "json"),
	"log-level":  completeWords("debug", "info", "warn", "error"),

	webConfigFlag: completeYAML,
}

// addCompletions completes the values of all flags of a command and of those below it. Where
// nothing is known of a value or an argument, no files are offered.
func addCompletions(cmd *cobra.Command) {
	if cmd.ValidArgsFunction == nil && len(cmd.ValidArgs) == 0 {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
	}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		complete := flagValues[flag.Name]
		if complete == nil {
			complete = cobra.NoFileCompletions
		}
		// An error is of a flag that commands have in common, which has it already.
		_ = cmd.RegisterFlagCompletionFunc(flag.Name, complete)
	})
	for _, sub := range cmd.Commands() {
		addCompletions(sub)
	}
}

func completeWords[T ~string](words ...T) cobra.CompletionFunc {
	list := make([]string, len(words))
	for i, word := range words {
		list[i] = string(word)
	}
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

func completeYAML(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeSettings completes --config: files, or none.
func completeSettings(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	if begun != "" && strings.HasPrefix(settings.None, begun) {
		return []string{settings.None}, cobra.ShellCompDirectiveDefault
	}
	return []string{"yaml", "yml"}, cobra.ShellCompDirectiveFilterFileExt
}

// completeInterfaceList completes -i, the last of names with commas between.
func completeInterfaceList(_ *cobra.Command, _ []string, begun string) (names []string, _ cobra.ShellCompDirective) {
	before := begun[:strings.LastIndexByte(begun, ',')+1]
	for _, name := range plainInterfaces() {
		names = append(names, before+name)
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completePair completes the two ends of a pair.
func completePair(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	if len(args) < 2 {
		names = plainInterfaces()
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// completeFile completes a file of links unless there is one.
func completeFile(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 || cmd.Flags().Changed("file") {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeYAML(cmd, args, begun)
}

// completeNamespaces completes --netns with what has a name.
func completeNamespaces(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return append(plainNames(peers.NamedNamespaces()), peers.AllNamespaces), cobra.ShellCompDirectiveNoFileComp
}

// plainInterfaces are the names of the interfaces.
func plainInterfaces() []string {
	list, err := net.Interfaces()
	if err != nil {
		return nil // nobody reads errors while completing
	}
	names := make([]string, len(list))
	for i, iface := range list {
		names[i] = iface.Name
	}
	return plainNames(names)
}

// plainNames are names but for those that a shell would not take as they are: whoever made
// the interface or the namespace chose the name.
func plainNames(names []string) []string {
	isSpecial := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-:@", r)
	}
	return slices.DeleteFunc(names, func(name string) bool {
		return name == "" || name[0] == '-' || strings.ContainsFunc(name, isSpecial)
	})
}
