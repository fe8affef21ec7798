package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/settings"
)

// manPages returns the manual pages by their file names: one for each command, out of its
// help, and two of files.
func manPages(root *cobra.Command) map[string]string {
	pages := map[string]string{
		"ebpftop-links.5":  linksPage(),
		"ebpftop-config.5": configPage(root),
	}
	var add func(cmd *cobra.Command)
	add = func(cmd *cobra.Command) {
		pages[pageName(cmd)+".8"] = commandPage(cmd)
		for _, sub := range subcommands(cmd) {
			add(sub)
		}
	}
	add(root)
	return pages
}

// subcommands are those for people.
func subcommands(cmd *cobra.Command) []*cobra.Command {
	return slices.DeleteFunc(slices.Clone(cmd.Commands()), func(sub *cobra.Command) bool {
		return slices.Contains([]string{helpWord, superviseCommand, inspectCommand, keepCommand, followCommand, saveCommand}, sub.Name())
	})
}

func pageName(cmd *cobra.Command) string { return strings.ReplaceAll(cmd.CommandPath(), " ", "-") }

// roff writes a manual page, in the macros of man(7).
type roff struct{ strings.Builder }

// escaped is text in which nothing is a request or an escape sequence.
func escaped(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(text)
	if strings.HasPrefix(text, ".") || strings.HasPrefix(text, "'") {
		text = `\&` + text
	}
	return text
}

func bold(text string) string   { return `\fB` + escaped(text) + `\fR` }
func italic(text string) string { return `\fI` + escaped(text) + `\fR` }

func (r *roff) head(name string, section int, short string) {
	fmt.Fprintf(r, ".\\\" Written by `make man`.\n.TH %s %d \"\" ebpftop\n", strings.ToUpper(escaped(name)), section)
	r.section("NAME")
	fmt.Fprintf(r, "%s \\- %s\n", escaped(name), escaped(short))
}

func (r *roff) section(title string) { fmt.Fprintf(r, ".SH %s\n", title) }

// text writes paragraphs; lines that begin with two blanks stay as they are.
func (r *roff) text(text string) {
	isLiteral := false
	for line := range strings.SplitSeq(strings.Trim(text, "\n"), "\n") {
		switch rest, indented := strings.CutPrefix(line, "  "); {
		case indented && !isLiteral:
			isLiteral = true
			fmt.Fprintf(r, ".PP\n.in +4n\n.nf\n%s\n", escaped(rest))
		case indented:
			fmt.Fprintln(r, escaped(rest))
		case line == "" && isLiteral:
			fmt.Fprintln(r)
		case line == "":
			fmt.Fprintln(r, ".PP")
		default:
			if isLiteral {
				r.endLiteral()
				isLiteral = false
			}
			fmt.Fprintln(r, escaped(line))
		}
	}
	if isLiteral {
		r.endLiteral()
	}
}

// paragraph is text that begins anew after what is before it.
func (r *roff) paragraph(text string) {
	fmt.Fprintln(r, ".PP")
	r.text(text)
}

func (r *roff) endLiteral() { fmt.Fprintln(r, ".fi\n.in\n.PP") }

// item writes an entry of a list. The term is roff already.
func (r *roff) item(term, text string) {
	fmt.Fprintf(r, ".TP\n%s\n%s\n", term, escaped(text))
}

func (r *roff) seeAlso(pages ...string) {
	r.section(`"SEE ALSO"`)
	for i, page := range pages {
		name, section, _ := strings.Cut(page, "(")
		comma := ","
		if i == len(pages)-1 {
			comma = ""
		}
		fmt.Fprintf(r, ".BR %s (%s%s\n", escaped(name), section, comma)
	}
}

func commandPage(cmd *cobra.Command) string {
	var r roff
	r.head(pageName(cmd), 8, lowered(cmd.Short))
	r.section("SYNOPSIS")
	fmt.Fprintln(&r, synopsis(cmd))
	r.section("DESCRIPTION")
	long := cmd.Long
	if long == "" {
		long = cmd.Short + "."
	}
	r.text(long)
	if !cmd.HasParent() {
		r.paragraph("The dashboard shows all keys on ?, and ends on q. It needs root, or capabilities: `ebpftop doctor` says which.")
	}
	if subs := subcommands(cmd); len(subs) > 0 {
		r.section("COMMANDS")
		for _, sub := range subs {
			r.item(fmt.Sprintf(".BR %s (8)", escaped(pageName(sub))), sub.Short+".")
		}
	}
	r.options(cmd)
	if cmd.Example != "" {
		r.section("EXAMPLES")
		r.text(cmd.Example)
	}
	r.environment(cmd)
	r.section(`"EXIT STATUS"`)
	r.exitStatus(cmd)
	r.seeAlso(related(cmd)...)
	return r.String()
}

// lowered begins with a small letter, unless that is a word of its own (A).
func lowered(short string) string {
	if len(short) > 1 && short[1] >= 'a' {
		return strings.ToLower(short[:1]) + short[1:]
	}
	return short
}

func synopsis(cmd *cobra.Command) string {
	rest := strings.TrimPrefix(cmd.Use, cmd.Name())
	line := bold(cmd.CommandPath())
	if cmd.HasAvailableFlags() {
		line += ` [\fIFLAGS\fR]`
	}
	if rest != "" {
		line += escaped(rest)
	}
	if len(subcommands(cmd)) > 0 {
		line += "\n.br\n" + bold(cmd.CommandPath()) + ` \fICOMMAND\fR ...`
	}
	return line
}

// options lists also the flags that the help has no line for.
func (r *roff) options(cmd *cobra.Command) {
	r.section("OPTIONS")
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name == helpWord {
			return
		}
		value, usage := pflag.UnquoteUsage(flag)
		term := bold("--" + flag.Name)
		if flag.Shorthand != "" {
			term = bold("-"+flag.Shorthand) + ", " + term
		}
		if value != "" {
			term += " " + italic(value)
		}
		if !slices.Contains([]string{"", "false", "0", "0s", "[]"}, flag.DefValue) {
			usage += fmt.Sprintf(" (default %s)", flag.DefValue)
		}
		r.item(term, usage)
	})
	r.item(bold("-h")+", "+bold("--help"), "show help")
}

// environment is for commands that read settings.
func (r *roff) environment(cmd *cobra.Command) {
	if cmd.Flags().Lookup("config") == nil {
		return
	}
	r.section("ENVIRONMENT")
	r.item(bold("EBPFTOP_OPTION"), "sets an option that is not given, by its name in capitals: EBPFTOP_NO_ARGS=true for --no-args")
	r.section("FILES")
	r.item(italic("~/.config/ebpftop/config.yaml"), "your settings")
	r.item(italic(settings.SystemFile), "those of the system")
}

func (r *roff) exitStatus(cmd *cobra.Command) {
	r.item("0", "done")
	r.item("1", "failed; a line on standard error says why")
	r.item("2", "wrong use; a line on standard error says what to do")
	if cmd.Flags().Lookup("check") != nil {
		r.paragraph("With --check: 0 up, 1 degraded or waiting, 2 down; then the line on standard error is missing.")
	}
}

// related are the pages to see, too.
func related(cmd *cobra.Command) (pages []string) {
	flags := cmd.Flags()
	if flags.Lookup("links") != nil || flags.Lookup("file") != nil {
		pages = append(pages, "ebpftop-links(5)")
	}
	if flags.Lookup("config") != nil {
		pages = append(pages, "ebpftop-config(5)")
	}
	if cmd.HasParent() {
		pages = append(pages, pageName(cmd.Parent())+"(8)")
	} else {
		pages = append(pages, "capabilities(7)")
	}
	return pages
}

// linksExample is a file of links.
const linksExample = `links:
  eth1: eth2
  eth3: {peer: eth4, datapath: tc, wait: true}
  eth5:
    peer: eth5
`

func linksPage() string {
	var r roff
	r.head("ebpftop-links", 5, "file of interfaces that ebpftop connects in pairs")
	r.section("DESCRIPTION")
	r.text(`A file of links is YAML. It names pairs of interfaces: every frame that enters one
leaves by the other, unchanged. It is read by "ebpftop xconnect apply", and followed by
"ebpftop xconnect run", "ebpftop --links" and the service
ebpftop-xconnect@NAME.service, which reads /etc/ebpftop/NAME.yaml.

Below the one key "links", each key is an interface. Its value is the other one, or a
mapping of these:`)
	r.item(bold("peer"), "the other interface; the same one sends back what it receives")
	r.item(bold("datapath"), "of both directions: auto (if left out), xdp, xdp-generic or tc")
	r.item(bold("wait"), "true accepts interfaces that do not exist yet")
	r.paragraph(`"links: {}" is a file without links; an empty file is an error, and so is an interface in
two different pairs. A file that cannot be used changes nothing: the last good links go
on, and the message names file, line and reason.

The file, each directory and each symbolic link on the way to it must belong to root, to
the user who runs ebpftop, or to who called sudo, and others may not write to them, unless
--trust-file is given. It may have 1 MiB at most.`)
	r.section("EXAMPLES")
	r.text("  " + strings.ReplaceAll(strings.TrimSpace(linksExample), "\n", "\n  "))
	r.seeAlso("ebpftop-xconnect(8)", "ebpftop-xconnect-run(8)", "ebpftop-xconnect-apply(8)")
	return r.String()
}

func configPage(root *cobra.Command) string {
	var r roff
	r.head("ebpftop-config", 5, "settings of ebpftop")
	r.section("DESCRIPTION")
	r.text(`Settings are YAML. A key is the name of an option, and its value is used where the option
is not given. An option that is given wins over the environment, that over the file of
who runs ebpftop, or called sudo, and that over the file of the system. "ebpftop config"
prints what is in force, and where each value comes from; "ebpftop config default" a file
with all settings, none of them set.

An unknown setting, or a value that the option does not take, is an error. So is a file
that somebody else could have written: it must belong to root or, yours, to you, and be
writable by its owner alone.`)
	r.section("SETTINGS")
	var watch watchFlags
	watch.define(defaultDashboardInterval)
	watch.set.VisitAll(func(flag *pflag.Flag) {
		_, usage := pflag.UnquoteUsage(flag)
		example := yamlOf(flag)
		if example == "" {
			example = kindOf(flag).example
		}
		r.item(bold(flag.Name+": ")+escaped(example), usage)
	})
	r.paragraph("In the file of the system alone:")
	r.item(bold(settings.EnforceKey+": ")+escaped("[no-args, no-execs]"), "switches that no flag, variable or file of a user undoes")
	r.item(bold(settings.RewiringKey+": ")+"root", "who may connect interfaces: root, or anyone who may run ebpftop with the rights for it")
	r.section("FILES")
	r.item(italic("~/.config/ebpftop/config.yaml"), "your settings; --config FILE reads another one, --config none none")
	r.item(italic(settings.SystemFile), "those of the system")
	r.seeAlso("ebpftop-config(8)", pageName(root)+"(8)")
	return r.String()
}
