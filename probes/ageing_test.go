package probes

import (
	"testing"
	"time"
)

func TestAgeing(t *testing.T) {
	now := time.Unix(1_000_000, 0)
	ageing := Ageing{Closed: 15 * time.Second, TCP: 5 * time.Minute, Other: time.Minute}
	const syn TCPFlags = 2
	for name, c := range map[string]struct {
		protocol string
		rx, tx   TCPFlags
		idle     time.Duration
		want     bool
	}{
		"udp in use":     {"udp", 0, 0, 59 * time.Second, false},
		"udp":            {"udp", 0, 0, 61 * time.Second, true},
		"fragments":      {"icmp", 0, 0, 61 * time.Second, true},
		"tcp in use":     {"tcp", syn | ack, syn | ack, 4 * time.Minute, false},
		"tcp":            {"tcp", syn | ack, syn | ack, 6 * time.Minute, true},
		"half closed":    {"tcp", syn | ack | fin, syn | ack, 2 * time.Minute, false},
		"closed":         {"tcp", syn | ack | fin, syn | ack | fin, 16 * time.Second, true},
		"just closed":    {"tcp", syn | ack | fin, syn | ack | fin, 14 * time.Second, false},
		"reset":          {"tcp", rst | ack, syn, 16 * time.Second, true},
		"never answered": {"tcp", syn, 0, 61 * time.Second, true},
		"ahead of us":    {"tcp", rst, 0, -time.Hour, false},
	} {
		row := Connection{Protocol: c.protocol, RXFlags: c.rx, TXFlags: c.tx, LastSeen: now.Add(-c.idle)}
		if got := ageing.IsOver(&row, now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
		if (Ageing{}).IsOver(&row, now) {
			t.Errorf("%s is over where nothing ever is", name)
		}
	}
}
