package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
	"github.com/spf13/cobra"
	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/doctor"
	"github.com/ebpftop/ebpftop/ui"
)

func newDoctorCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Show what this kernel and this user can do",
		Long: `doctor tries, one by one, the things that ebpftop relies on, and says of each
that does not work what it costs you and how to get it. It touches none of the
host's interfaces. The exit status is 1 where the dashboard cannot run.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			needs := onceNeeds
			// It says whether the dashboard may give up being root, and whether it sees the
			// addresses of kernel functions, as that does before it is confined.
			needs.Capabilities = append(slices.Clone(needs.Capabilities), libcap.SETUID, libcap.SETGID, libcap.SETPCAP, libcap.SYSLOG)
			needs.Tries = true
			if err := confine.Process(needs); err != nil {
				return err
			}
			findings := doctor.Diagnose()
			show := showFindings
			if asJSON {
				show = encodeFindings
			}
			if err := show(cmd.OutOrStdout(), findings); err != nil {
				return err
			}
			if slices.ContainsFunc(findings, doctor.Finding.Fatal) {
				return exitFailed
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of objects")
	return cmd
}

func encodeFindings(w io.Writer, findings []doctor.Finding) error {
	return writeJSON(w, findings, "  ")
}

// The columns of the table, in a terminal of 80. What to do about a feature
// stands below it, from the second column on.
const (
	tableWidth   = 79
	statusWidth  = 10
	featureWidth = 25
)

func showFindings(w io.Writer, findings []doctor.Finding) error {
	var b strings.Builder
	row(&b, fmt.Sprintf("%-*s%-*s", statusWidth, "STATUS", featureWidth, "FEATURE"), "DETAIL")
	var fatal []string
	for _, f := range findings {
		status := string(f.Status)
		if f.Fatal() {
			status += " !"
			fatal = append(fatal, f.Name)
		}
		row(&b, fmt.Sprintf("%-*s%-*s", statusWidth, status, featureWidth, f.Name), f.Detail)
		if f.Status == doctor.StatusMissing || f.Status == doctor.StatusDegraded {
			row(&b, fmt.Sprintf("%-*s", statusWidth, ""), f.Cost)
			row(&b, fmt.Sprintf("%-*s", statusWidth, ""), f.Remedy)
		}
	}
	b.WriteString("\n" + verdict(fatal) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// row writes head and, beside it, text on as many lines as it takes.
func row(b *strings.Builder, head, text string) {
	for line := range strings.SplitSeq(ansi.Wrap(ui.Escape(text), tableWidth-len(head), ""), "\n") {
		b.WriteString(strings.TrimRight(head+line, " ") + "\n")
		head = strings.Repeat(" ", len(head))
	}
}

func verdict(fatal []string) string {
	if len(fatal) == 0 {
		return "The dashboard can run on this host."
	}
	text := "The dashboard cannot run on this host. It needs what is marked with !: " +
		strings.Join(fatal, ", ") + "."
	return ansi.Wordwrap(text, tableWidth, "")
}
