package ui

import (
	"charm.land/bubbles/v2/key"
	tea "charm.land/bubbletea/v2"
)

// cursor is the selected row of a list whose rows come, go and change places.
// Moved off the first row it stays with the row it is on, and that row stays
// where it is on the screen. On the first row it stays at the top, so that a
// list nobody touched shows what is newest or busiest.
type cursor[K comparable] struct {
	index  int // selected row
	offset int // first row shown
	page   int // rows shown at the last View
	key    K   // identity of the selected row
	pinned bool
	known  bool // key is that of index
}

// update moves by a key press and reports whether it was one to move by.
func (c *cursor[K]) update(msg tea.KeyPressMsg, keys *keyMap, n int, keyAt func(int) (K, bool)) bool {
	page := max(1, c.page-1)
	switch {
	case key.Matches(msg, keys.Up):
		c.index--
	case key.Matches(msg, keys.Down):
		c.index++
	case key.Matches(msg, keys.PageUp):
		c.index -= page
	case key.Matches(msg, keys.PageDown):
		c.index += page
	case key.Matches(msg, keys.Home):
		c.index = 0
	case key.Matches(msg, keys.End):
		c.index = n - 1
	default:
		return false
	}
	c.index = max(0, min(c.index, n-1))
	c.pin(keyAt)
	return true
}

// pin remembers the row the cursor is on now.
func (c *cursor[K]) pin(keyAt func(int) (K, bool)) {
	c.pinned = c.index > 0
	c.key, c.known = keyAt(c.index)
}

// follow finds the selected row again among n new rows. find tells where the
// row of a key is now.
func (c *cursor[K]) follow(n int, find func(K) (int, bool), keyAt func(int) (K, bool)) {
	if !c.pinned {
		c.index, c.offset = 0, 0
		c.key, c.known = keyAt(0)
		return
	}
	if c.known {
		if i, ok := find(c.key); ok {
			c.offset = max(0, c.offset+i-c.index)
			c.index = i
			return
		}
	}
	c.index = max(0, min(c.index, n-1))
	c.key, c.known = keyAt(c.index)
	c.pinned = n > 0 && c.index > 0
}

// window is the range of rows to show in height lines.
func (c *cursor[K]) window(height, n int) (from, to int) {
	c.page = max(1, height)
	if c.index < c.offset {
		c.offset = c.index
	}
	if c.index >= c.offset+c.page {
		c.offset = c.index - c.page + 1
	}
	c.offset = max(0, min(c.offset, n-c.page))
	return c.offset, min(n, c.offset+max(0, height))
}
