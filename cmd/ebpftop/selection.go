package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/snapshot"
)

// selection is which connections are printed. The zero value is all.
type selection struct {
	none, active bool
	top          uint // so many, 0 for all
	filter       string
}

func (c *selection) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&c.none, "no-connections", false, "print no connections, but their number")
	flags.BoolVar(&c.active, "active", false, "only connections with traffic in the interval")
	flags.UintVar(&c.top, "top", 0, "only the `N` connections with most traffic in it")
	flags.StringVar(&c.filter, "filter", "", "only connections with all of these `WORDS`")
}

// check checks the flags.
func (c *selection) check(cmd *cobra.Command) error {
	if cmd.Flags().Changed("top") && c.top == 0 {
		return wrongUse(errors.New("--top 0: use 1 or more, or --no-connections"))
	}
	if err := snapshot.CheckConnections(c.filter); err != nil {
		return wrongUse(fmt.Errorf("--filter: %s", probes.OneLine(err)))
	}
	return errTogether(cmd, "no-connections", "active", "top", "filter")
}

// of returns the connections of a sample to print, the busiest first unless all are.
func (c *selection) of(s *probes.Sample) []probes.Connection {
	switch {
	case c.none:
		return nil
	case *c == (selection{}):
		return s.Connections
	}
	from := *s
	if c.active {
		from.Connections = nil
		for i := range s.Connections {
			if row := &s.Connections[i]; row.RXBPS+row.TXBPS > 0 {
				from.Connections = append(from.Connections, *row)
			}
		}
	}
	need := len(from.Connections)
	if c.top > 0 && c.top < uint(need) {
		need = int(c.top)
	}
	rows := snapshot.Rows{By: int(snapshot.Busiest), Filter: c.filter}
	return snapshot.SelectConnections(&from, snapshot.Query{Connections: rows, Need: need}).Rows
}
