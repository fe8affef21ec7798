package main

import (
	"github.com/spf13/cobra"
)

func newXconnectApply() *cobra.Command { return &cobra.Command{Use: "apply -f FILE"} }

func newXconnectRun() *cobra.Command { return &cobra.Command{Use: "run -f FILE"} }
