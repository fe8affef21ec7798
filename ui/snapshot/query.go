package snapshot

// Query is what the panes want to see. The presenter answers each with a
// snapshot.
type Query struct {
	Moment      uint64  // the sample that is wanted, by its number; 0: the latest one
	Since       int     // how often totals were begun anew; 0: they are from the start on
	Scope       string  // what is of this interface only
	Narrow      Subject // what is of this group only; Scope is "" then
	Interfaces  Rows
	Folding     *Folding // of interfaces; nil: they are a plain list
	Connections Rows     // By is an Order
	By          GroupBy  // the sums that are wanted, too
	Need        int      // rows of the connection table, from the first
	Page        int      // rows the pane shows
	Pin         ConnectionKey
	Pinned      bool    // find the row of Pin
	Detail      Subject // what more is to be known of
	PinAt       int     // where it is to stay among the busiest

	// Of these, the filter alone counts.
	Groups, Protocols, Execs, Drops, Pairs Rows
}

// sameConnections reports whether rows chosen for o serve q as well. Where the cursor
// is matters only at the next sample.
func (q Query) sameConnections(o Query) bool {
	return q.Moment == o.Moment && q.Scope == o.Scope && q.Narrow == o.Narrow && q.Connections == o.Connections &&
		q.By == o.By && q.Groups == o.Groups && q.Need <= o.Need
}

// sameInterfaces reports whether o asks for the same rows of interfaces.
func (q Query) sameInterfaces(o Query) bool {
	return q.Interfaces == o.Interfaces && q.Folding == o.Folding
}

// sameOthers reports whether o asks for the same of what neither of these is.
func (q Query) sameOthers(o Query) bool {
	return q.Scope == o.Scope && q.Narrow == o.Narrow && q.Protocols == o.Protocols && q.Execs == o.Execs && q.Drops == o.Drops
}
