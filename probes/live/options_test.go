package live

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestOptions: what cannot be is said, and the zero hook is one.
func TestOptions(t *testing.T) {
	labtest.RequireRoot(t)
	namespace := labtest.Namespace(t)
	for _, c := range []struct {
		opts Options
		want string // of the error, "" for none
	}{
		{Options{Interval: time.Second, MaxConnections: 10}, ""},
		{Options{Interval: time.Second, ProtocolsOnly: true}, ""},
		{Options{Interval: time.Second}, "MaxConnections"},
		{Options{MaxConnections: 10}, "interval 0s"},
		{Options{Interval: time.Second, MaxConnections: 10, Hook: "socket"}, `unknown hook "socket"`},
	} {
		var source *Live
		err := namespace.Do(func() (err error) {
			source, err = New(context.Background(), c.opts)
			return err
		})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.opts, err, c.want)
		}
		if source != nil {
			if err := source.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}
