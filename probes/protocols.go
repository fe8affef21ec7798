package probes

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cilium/ebpf"

	"github.com/ebpftop/ebpftop/bpf"
)

const ipProtocolCount = 256

// Values of enum direction in headers/counters.h.
const (
	directionRX = iota
	directionTX
	directionCount
)

var directions = [directionCount]Direction{directionRX: RX, directionTX: TX}

// ethertypeKey is the key of map ethertypes.
func ethertypeKey(direction int, ethertype uint16) uint32 {
	return uint32(direction)<<16 | uint32(ethertype)
}

// protocols reads the protocol counters of all interfaces. The buffers are
// shared: one interface is read at a time.
type protocols struct {
	sum       bpf.PacketsProtocolCounts
	ethertype []bpf.PacketsTraffic // of one, one per CPU
}

func newProtocols() (*protocols, error) {
	cpus, err := ebpf.PossibleCPU()
	if err != nil {
		return nil, fmt.Errorf("count CPUs: %w", err)
	}
	return &protocols{ethertype: make([]bpf.PacketsTraffic, cpus)}, nil
}

// tally is what was counted on one interface up to the last poll, to take the
// next rates from.
type tally struct {
	ip        [directionCount][ipProtocolCount]bpf.PacketsTraffic
	ethertype map[uint32]bpf.PacketsTraffic // by ethertypeKey
}

func newTally() *tally {
	return &tally{ethertype: make(map[uint32]bpf.PacketsTraffic)}
}

// poll reads the counters of one interface: appends its protocol rows and
// fills in its totals. Rates are over interval.
func (p *protocols) poll(t *tap, past *tally, interval time.Duration, row *Interface, rows []Protocol) ([]Protocol, error) {
	first := len(rows)
	t.counts.sum(&p.sum)
	rows = p.pollIP(past, interval, row.Name, rows)
	rows, err := p.pollEthertypes(t, past, interval, row.Name, rows)
	if err != nil {
		return rows, fmt.Errorf("read ethertypes of %s: %w", row.Name, err)
	}
	for _, count := range p.sum.Malformed {
		row.Malformed += count
	}
	sortProtocols(rows[first:])
	addTotals(row, rows[first:])
	return rows, nil
}

// sortProtocols orders the rows of one interface by direction, then packets.
func sortProtocols(rows []Protocol) {
	slices.SortFunc(rows, func(a, b Protocol) int {
		return cmp.Or(
			cmp.Compare(a.Direction, b.Direction),
			cmp.Compare(b.Packets, a.Packets),
			cmp.Compare(a.Name, b.Name),
		)
	})
}

// addTotals sums an interface's protocols: every frame is in exactly one.
func addTotals(row *Interface, rows []Protocol) {
	for i := range rows {
		if rows[i].Direction == RX {
			row.RXPackets += rows[i].Packets
			row.RXBytes += rows[i].Bytes
			row.RXPPS += rows[i].PPS
			row.RXBPS += rows[i].BPS
		} else {
			row.TXPackets += rows[i].Packets
			row.TXBytes += rows[i].Bytes
			row.TXPPS += rows[i].PPS
			row.TXBPS += rows[i].BPS
		}
	}
}

func (p *protocols) pollIP(past *tally, interval time.Duration, name string, rows []Protocol) []Protocol {
	for direction := range directions {
		for number := range ipProtocolCount {
			total := p.sum.Ip[direction][number]
			if total.Packets == 0 {
				continue
			}
			before := &past.ip[direction][number]
			protocol := uint8(number)
			row := Protocol{
				Interface: name,
				Direction: directions[direction],
				Name:      ipProtocolName(protocol),
				Number:    &protocol,
			}
			row.count(total, *before, interval)
			*before = total
			rows = append(rows, row)
		}
	}
	return rows
}

func (p *protocols) pollEthertypes(t *tap, past *tally, interval time.Duration, name string, rows []Protocol) ([]Protocol, error) {
	m := t.collection.Maps[bpf.PacketsMapEthertypes]
	var key uint32
	iterator := m.Iterate()
	for iterator.Next(&key, p.ethertype) {
		total := sumTraffic(p.ethertype)
		if total.Packets == 0 {
			continue
		}
		ethertype := uint16(key)
		row := Protocol{
			Interface: name,
			Direction: directions[key>>16],
			Name:      ethertypeName(ethertype),
			Ethertype: &ethertype,
		}
		row.count(total, past.ethertype[key], interval)
		past.ethertype[key] = total
		rows = append(rows, row)
	}
	// A row that appears meanwhile can end the walk early: the next one sees it.
	if err := iterator.Err(); err != nil && !errors.Is(err, ebpf.ErrIterationAborted) {
		return rows, err
	}
	return rows, nil
}

// count sets totals and rates.
func (p *Protocol) count(total, before bpf.PacketsTraffic, interval time.Duration) {
	p.Packets, p.Bytes = total.Packets, total.Bytes
	p.PPS = perSecond(total.Packets-before.Packets, interval)
	p.BPS = 8 * perSecond(total.Bytes-before.Bytes, interval)
}

// perSecond is the rate of count over interval, 0 if that is 0.
func perSecond(count uint64, interval time.Duration) float64 {
	if interval <= 0 {
		return 0
	}
	return float64(count) / interval.Seconds()
}

// sumTraffic adds up the values of all CPUs.
func sumTraffic(perCPU []bpf.PacketsTraffic) (sum bpf.PacketsTraffic) {
	for i := range perCPU {
		sum.Packets += perCPU[i].Packets
		sum.Bytes += perCPU[i].Bytes
	}
	return sum
}
