// Package latest hands values from one goroutine to another that may be slower: the latest
// wins.
package latest

// Box holds one value. A new one replaces one that nobody took.
type Box[T any] chan T

// NewBox makes an empty box.
func NewBox[T any]() Box[T] { return make(Box[T], 1) }

// Put leaves v in the box. It never blocks.
func (b Box[T]) Put(v T) {
	b.Merge(v, func(_, v T) T { return v })
}

// Merge leaves v in the box or, if there is a value that nobody took, what merge makes of
// that and v. It never blocks.
func (b Box[T]) Merge(v T, merge func(unread, v T) T) {
	for {
		select {
		case b <- v:
			return
		default:
		}
		select {
		case unread := <-b:
			v = merge(unread, v)
		default:
		}
	}
}
