package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// goal bounds the median of a figure, or its ratio to that of another.
type goal struct {
	bound  bound
	limit  float64
	beside string // whose the other is; empty if there is none
}

type bound string

const (
	atMost  bound = "at most"
	atLeast bound = "at least"
)

func (g goal) met(value float64) bool {
	if g.bound == atLeast {
		return value >= g.limit
	}
	return value <= g.limit
}

// outcome says of one goal whether it was met.
type outcome struct {
	suite  string
	figure figure
	goal   goal
	value  float64
}

// want compares with a goal what was reported, if anything was.
func (b *bench) want(f figure, g goal) {
	if len(b.values[f]) == 0 {
		return
	}
	value := median(b.values[f])
	if g.beside != "" {
		value /= median(b.values[f.of(g.beside)])
	}
	b.outcomes = append(b.outcomes, outcome{b.suite, f, g, value})
}

// printGoals prints which were met.
func printGoals(out io.Writer, outcomes []outcome) error {
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, o := range outcomes {
		word, unit := "missed", o.figure.unit
		if o.goal.met(o.value) {
			word = "met"
		}
		if o.goal.beside != "" {
			unit = "times " + o.goal.beside + ", " + unit
		}
		fmt.Fprintf(table, "%s\t%s/%s/who=%s\t%.3g\t%s %g %s\n",
			word, o.suite, o.figure.what, o.figure.who, o.value, o.goal.bound, o.goal.limit, unit)
	}
	return table.Flush()
}
