// Package latest hands values from one goroutine to another that may be slower.
package latest

// Box holds one value: a new one replaces one nobody took. Putting never
// blocks, which is why the screen may do it. One goroutine puts.
type Box[T any] chan T

// NewBox makes an empty box.
func NewBox[T any]() Box[T] { return make(Box[T], 1) }

// Put leaves v in the box.
func (b Box[T]) Put(v T) {
	for {
		select {
		case b <- v:
			return
		default:
		}
		select {
		case <-b:
		default:
		}
	}
}
