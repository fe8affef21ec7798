package main

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/live"
)

// buildInfo is what this binary was built from, as the go command recorded it: `go build` in
// a clone from the tag and the commit, `go install ...@VERSION` from the version alone.
type buildInfo struct {
	Version       string `json:"version"` // (devel) where the go command saw no repository
	Commit        string `json:"commit,omitempty"`
	Date          string `json:"date,omitempty"`     // of the commit, RFC 3339
	Modified      bool   `json:"modified,omitempty"` // the sources were not those of the commit
	Go            string `json:"go"`
	OS            string `json:"os"`
	Arch          string `json:"arch"`
	KernelObjects string `json:"kernel_objects"` // SHA-256
}

func readBuildInfo() buildInfo {
	b := buildInfo{
		Version: "(devel)", Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH,
		KernelObjects: live.KernelObjects(),
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Commit = setting.Value
		case "vcs.time":
			b.Date = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

// version is the module's version.
func version() string { return readBuildInfo().Version }

func (b buildInfo) print(out io.Writer) error {
	_, err := fmt.Fprintf(out, "ebpftop %s %s %s/%s\n", b.Version, b.Go, b.OS, b.Arch)
	return err
}

func newVersionCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:    "version",
		Hidden: true, // for want of a line: everybody tries it
		Short:  "Show what this binary was built from",
		Long: `version shows the version, and with --json the commit, its date, and the SHA-256
of the kernel programs: of bpf/*_bpfel.o in the sources, one after the other, on
big-endian machines of bpf/*_bpfeb.o.`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			b := readBuildInfo()
			if asJSON {
				return writeJSON(cmd.OutOrStdout(), b, "  ")
			}
			return b.print(cmd.OutOrStdout())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON object")
	return cmd
}
