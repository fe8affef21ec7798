package live

import (
	"errors"
	"testing"
	"time"
)

// TestNamespacesInTurn has more namespaces than there is time to ask at a sample: each has its
// turn, and none twice before another has had its.
func TestNamespacesInTurn(t *testing.T) {
	const count = 5
	n := namespaces{watched: make(map[uint32]*namespace)}
	for inode := range uint32(count) {
		n.watched[inode] = &namespace{}
	}
	asked := make(map[*namespace]int)
	now := time.Unix(1, 0)
	for sample := range 3 * count {
		now = now.Add(time.Second)
		if err := n.inTurn(0, func(one *namespace) error {
			one.asked = now
			asked[one]++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if turn := sample / count; len(asked) != min(sample+1, count) || asked[n.last(now)] != turn+1 {
			t.Fatalf("after %d samples: %v", sample+1, asked)
		}
	}
	// With time, all of them, whatever one of them says.
	asked = make(map[*namespace]int)
	err := n.inTurn(time.Hour, func(one *namespace) error {
		asked[one]++
		return errors.New("gone")
	})
	if len(asked) != count || err == nil {
		t.Errorf("%d asked, %v", len(asked), err)
	}
}

// last is the one that was asked at a moment.
func (n *namespaces) last(at time.Time) *namespace {
	for _, one := range n.watched {
		if one.asked.Equal(at) {
			return one
		}
	}
	return nil
}
