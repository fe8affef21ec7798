package drops

import (
	"net"
	"testing"

	"github.com/ebpftop/ebpftop/probes/internal/kernel"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// BenchmarkDrop sends a packet to a closed port of the same host, whose drop is part of the
// call. What counting costs is the difference.
func BenchmarkDrop(b *testing.B) {
	for _, counted := range []bool{false, true} {
		name := "uncounted"
		if counted {
			name = "counted"
		}
		b.Run(name, func(b *testing.B) {
			n := labtest.Namespace(b)
			var conn net.PacketConn
			if err := n.Do(func() (err error) {
				if conn, err = net.ListenPacket("udp4", "127.0.0.1:0"); err != nil || !counted {
					return err
				}
				namespace, err := kernel.NetworkNamespace()
				if err != nil {
					return err
				}
				p, err := New(kernel.NewClock(), namespace)
				if err == nil {
					b.Cleanup(func() { p.Close() })
				}
				return err
			}); err != nil {
				b.Fatal(err)
			}
			defer conn.Close()
			closed := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 9}
			for b.Loop() {
				_, _ = conn.WriteTo([]byte{0}, closed) // an answer to an earlier one is an error of this one
			}
		})
	}
}
