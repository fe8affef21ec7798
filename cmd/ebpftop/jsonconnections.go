package main

import (
	"math"
	"strconv"
	"time"

	"github.com/ebpftop/ebpftop/probes"
)

// jsonStrings are strings as JSON. Those of interfaces and protocols come again and again,
// and so do paths, which those who take the same share.
type jsonStrings struct {
	strings map[string][]byte
	paths   map[sharedPath][]byte
	owners  map[*probes.Owner][]byte
}

type sharedPath struct {
	first *string
	names int
}

func newJSONStrings() jsonStrings {
	return jsonStrings{strings: make(map[string][]byte), paths: make(map[sharedPath][]byte), owners: make(map[*probes.Owner][]byte)}
}

// appendConnections appends an array of connections. Because encoding/json takes ten times
// as long for a full table, a third of each second, the rows are written here; their
// fields are those of the type.
func appendConnections(b []byte, rows []probes.Connection) []byte {
	names := newJSONStrings()
	b = append(b, '[')
	for i := range rows {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendConnection(b, &rows[i], names)
	}
	return append(b, ']')
}

func appendConnection(b []byte, c *probes.Connection, names jsonStrings) []byte {
	b = append(append(b, `{"interface":`...), names.of(c.Interface)...)
	b = append(append(b, `,"path":`...), names.ofPath(c.Path)...)
	b = append(append(b, `,"protocol":`...), names.of(c.Protocol)...)
	b = append(c.Local.AppendTo(append(b, `,"local":"`...)), '"')
	b = append(c.Remote.AppendTo(append(b, `,"remote":"`...)), '"')
	b = strconv.AppendUint(append(b, `,"rx_packets":`...), c.RXPackets, 10)
	b = strconv.AppendUint(append(b, `,"rx_bytes":`...), c.RXBytes, 10)
	b = strconv.AppendUint(append(b, `,"tx_packets":`...), c.TXPackets, 10)
	b = strconv.AppendUint(append(b, `,"tx_bytes":`...), c.TXBytes, 10)
	b = appendRate(append(b, `,"rx_bps":`...), c.RXBPS)
	b = appendRate(append(b, `,"tx_bps":`...), c.TXBPS)
	b = append(c.FirstSeen.AppendFormat(append(b, `,"first_seen":"`...), time.RFC3339Nano), '"')
	b = append(c.LastSeen.AppendFormat(append(b, `,"last_seen":"`...), time.RFC3339Nano), '"')
	b = strconv.AppendUint(append(b, `,"rx_tcp_flags":`...), uint64(c.RXFlags), 10)
	b = strconv.AppendUint(append(b, `,"tx_tcp_flags":`...), uint64(c.TXFlags), 10)
	b = append(append(b, `,"state":`...), names.orNull(c.State.String())...)
	if q := c.Quality; q != nil {
		b = strconv.AppendUint(append(b, `,"rtt_us":`...), uint64(q.RTT), 10)
		b = strconv.AppendUint(append(b, `,"retransmits":`...), uint64(q.Retransmits), 10)
		b = strconv.AppendUint(append(b, `,"cwnd":`...), uint64(q.Cwnd), 10)
		b = strconv.AppendUint(append(b, `,"unacked":`...), uint64(q.Unacked), 10)
	}
	b = append(append(b, `,"owner":`...), names.ofOwner(c.Owner)...)
	b = append(append(b, `,"owner_reason":`...), names.orNull(c.OwnerReason.String())...)
	if c.ClosedAt.IsZero() {
		return append(b, '}')
	}
	return append(c.ClosedAt.AppendFormat(append(b, `,"closed_at":"`...), time.RFC3339Nano), `"}`...)
}

// of returns a string as JSON, with nothing in it that a terminal would obey.
func (j jsonStrings) of(s string) []byte {
	text, ok := j.strings[s]
	if !ok {
		text, _ = encodeJSON(s, "") // a string can always be written
		j.strings[s] = text
	}
	return text
}

// orNull returns a string as JSON, null for an empty one.
func (j jsonStrings) orNull(s string) []byte {
	if s == "" {
		return []byte("null")
	}
	return j.of(s)
}

// ofOwner returns an owner as JSON, null for none.
func (j jsonStrings) ofOwner(owner *probes.Owner) []byte {
	text, ok := j.owners[owner]
	if !ok {
		text, _ = encodeJSON(owner, "")
		j.owners[owner] = text
	}
	return text
}

// ofPath returns a path as a JSON array.
func (j jsonStrings) ofPath(path []string) []byte {
	if len(path) == 0 {
		return []byte("[]")
	}
	shared := sharedPath{&path[0], len(path)}
	text, ok := j.paths[shared]
	if !ok {
		text, _ = encodeJSON(path, "")
		j.paths[shared] = text
	}
	return text
}

// appendRate appends a number that is not negative, with as many digits as tell it apart.
func appendRate(b []byte, rate float64) []byte {
	if rate == math.Trunc(rate) && rate < 1<<53 {
		return strconv.AppendUint(b, uint64(rate), 10)
	}
	return strconv.AppendFloat(b, rate, 'f', -1, 64)
}
