package snapshot

// Query is what the panes want to see. The presenter answers each with a
// snapshot.
type Query struct {
	Paused bool
	Scope  string // protocols and connections of this interface only
	Order  Order
	Filter string
	By     GroupBy // the sums that are wanted, too
	Need   int     // rows of the connection table, from the first
	Page   int     // rows the pane shows
	Pin    ConnectionKey
	Pinned bool // find the row of Pin
}

// sameRows reports whether rows chosen for o serve q as well. Where the cursor
// is matters only at the next sample.
func (q Query) sameRows(o Query) bool {
	return q.Paused == o.Paused && q.Scope == o.Scope && q.Order == o.Order &&
		q.Filter == o.Filter && q.By == o.By && q.Need <= o.Need
}
