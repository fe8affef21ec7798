package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
)

// row is one line of the table: ebpftop, or what it is measured against.
type row struct {
	What    string  `json:"what"`
	Who     string  `json:"who"`
	Unit    string  `json:"unit"`
	Median  float64 `json:"median"`
	Least   float64 `json:"least"`
	Most    float64 `json:"most"`
	Ratio   float64 `json:"ratio,omitempty"`   // to the baseline
	Against string  `json:"against,omitempty"` // the baseline
	Goal    string  `json:"goal,omitempty"`
}

// newRow sums up what the rounds gave.
func newRow(what, who, unit string, values []float64) row {
	sorted := slices.Sorted(slices.Values(values))
	return row{
		What: what, Who: who, Unit: unit,
		Median: sorted[len(sorted)/2], Least: sorted[0], Most: sorted[len(sorted)-1],
	}
}

// against compares with a baseline.
func (r row) against(name string, ratio float64, goal string) row {
	r.Against, r.Ratio, r.Goal = name, ratio, goal
	return r
}

func printTable(out io.Writer, rows []row) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "what\twho\tmedian\tleast\tmost\tunit\tratio\tagainst\tgoal")
	for _, r := range rows {
		ratio := ""
		if r.Against != "" {
			ratio = fmt.Sprintf("%.2f", r.Ratio)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.What, r.Who,
			digits(r.Median), digits(r.Least), digits(r.Most), r.Unit, ratio, r.Against, r.Goal)
	}
	return table.Flush()
}

// digits shows three of them.
func digits(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}
