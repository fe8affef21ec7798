package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
)

// standardInput is what -f calls the standard input.
const standardInput = "-"

// fileFlags are -f and --trust-file.
func fileFlags(cmd *cobra.Command, file *linksfile.File) {
	cmd.Flags().StringVarP(&file.Path, "file", "f", "", "`FILE` of links")
	trustFlag(cmd, file)
}

func trustFlag(cmd *cobra.Command, file *linksfile.File) {
	cmd.Flags().BoolVar(&file.Trusted, "trust-file", false, "use FILE even if other users may write to it")
}

// readLinks reads a file, or the standard input. It also returns what to call that.
func readLinks(ctx context.Context, file linksfile.File, in io.Reader) (name string, data []byte, err error) {
	if file.Path != standardInput {
		data, err = linksfile.Read(ctx, file)
		return file.Path, data, err
	}
	read := make(chan error, 1)
	go func() { // because ctx does not end a reading
		var err error
		data, err = io.ReadAll(io.LimitReader(in, linksfile.MaxSize+1))
		read <- err
	}()
	select {
	case <-ctx.Done():
		return "", nil, context.Cause(ctx)
	case err := <-read:
		return "standard input", data, err
	}
}
