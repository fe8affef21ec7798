package exporter

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui"
)

// The families there are. docs/serve.md has them in a table (TestFormats).
var (
	buildInfo  = family{"ebpftop_build_info", gauge, "1, labelled with what this ebpftop was built from."}
	sampleTime = family{"ebpftop_sample_timestamp_seconds", gauge, "When the metrics were sampled."}

	interfaceInfo      = family{"ebpftop_interface_info", gauge, "1, labelled with how the interface is watched, hook none if it is not, what it is, and the container that it leads to."}
	interfacesLeftOut  = family{"ebpftop_interfaces_left_out", gauge, "Interfaces without metrics, because there are too many: watch fewer with -i."}
	interfacePackets   = family{"ebpftop_interface_packets_total", counter, "Frames on the wire, received (rx) and sent (tx) by the interface."}
	interfaceBytes     = family{"ebpftop_interface_bytes_total", counter, "Bytes of these frames from the Ethernet header on, without the frame check sequence."}
	interfaceMalformed = family{"ebpftop_interface_malformed_packets_total", counter, "Frames whose headers could not be read to the end."}
	interfaceUnseen    = family{"ebpftop_interface_unseen_packets_total", counter, "Frames that took a way past ebpftop, by the driver's word, at least."}

	protocolPackets = family{"ebpftop_protocol_packets_total", counter, "Frames of the protocol on all interfaces, each once; other: of those with no counter of their own."}
	protocolBytes   = family{"ebpftop_protocol_bytes_total", counter, "Bytes of these frames."}

	ownerPackets     = family{"ebpftop_owner_packets_total", counter, "Frames of connections, by who has the socket at the local end; other: of those with no counter of their own."}
	ownerBytes       = family{"ebpftop_owner_bytes_total", counter, "Bytes of these frames."}
	containerPackets = family{"ebpftop_container_packets_total", counter, "Frames of connections whose socket at the local end is in a container; other: of those with no counter of their own."}
	containerBytes   = family{"ebpftop_container_bytes_total", counter, "Bytes of these frames."}

	ownerRetransmits     = family{"ebpftop_owner_retransmitted_segments_total", counter, "Segments of TCP that were sent again, by who has the socket; other: as of its frames."}
	containerRetransmits = family{"ebpftop_container_retransmitted_segments_total", counter, "Segments of TCP that were sent again by sockets in a container; other: as of its frames."}
	roundTrip            = family{"ebpftop_tcp_round_trip_seconds", histogramType, "Round-trip times that the kernel measures, of each connection that carried something since the last sample."}

	connections        = family{"ebpftop_connections", gauge, "Connections that are listed, by protocol, and those of TCP by state."}
	connectionsCreated = family{"ebpftop_connections_created_total", counter, "Connections that appeared."}
	connectionsEvicted = family{"ebpftop_connections_evicted_total", counter, "Connections that lost their row because the table was full; see --max-connections."}

	droppedPackets = family{"ebpftop_dropped_packets_total", counter, "Packets that the kernel dropped, by its reason, the interface, and who tells of it; other: of those with no counter of their own."}

	execs        = family{"ebpftop_execs_total", counter, "Programs executed on the host, in all its containers."}
	execFailures = family{"ebpftop_exec_failures_total", counter, "Calls of execve and execveat that failed."}

	pairHealth  = family{"ebpftop_cross_connect_health", gauge, "1 for the health that the pair has, of up, waiting, degraded and down, 0 for the others."}
	pairTrial   = family{"ebpftop_cross_connect_trial_end_timestamp_seconds", gauge, "When the pair on trial is undone unless it is confirmed."}
	pairPackets = family{"ebpftop_cross_connect_packets_total", counter, "Frames that entered a pair by the one interface, for the other."}
	pairBytes   = family{"ebpftop_cross_connect_bytes_total", counter, "Bytes of these frames."}
	pairDropped = family{"ebpftop_cross_connect_dropped_packets_total", counter, "Of these frames, those that did not come out; not known of other processes' pairs."}
	pairErrors  = family{"ebpftop_cross_connect_errors_total", counter, "Redirects that failed, by the kernel's error, also of pairs before that the interface was in."}

	lost = family{"ebpftop_lost_events_total", counter, "What happened too fast to be shown: new connections, programs executed, changes of owners, dropped packets."}

	processCPU   = family{"process_cpu_seconds_total", counter, "User and system time of ebpftop, without the processes at its side."}
	processRSS   = family{"process_resident_memory_bytes", gauge, "Resident memory of ebpftop, without the processes at its side."}
	processStart = family{"process_start_time_seconds", gauge, "When ebpftop started."}
)

// Healths are the words of Pair.Health.
var Healths = []string{"up", "waiting", "degraded", "down"}

// Metrics returns all metrics, nil before there is a sample. It writes them once for each sample,
// however often they are asked for.
func (e *Exporter) Metrics(format Format, isPacked bool) []byte {
	e.lock.Lock()
	defer e.lock.Unlock()
	if e.latest == nil {
		return nil
	}
	as := form{format, isPacked}
	if e.written[as] == nil {
		if isPacked {
			e.written[as] = pack(e.write(format))
		} else {
			e.written[as] = e.write(format)
		}
	}
	return e.written[as]
}

// pack compresses by gzip.
func pack(text []byte) []byte {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, _ = w.Write(text) // a buffer takes everything
	_ = w.Close()
	return packed.Bytes()
}

// write writes the metrics of the latest sample.
func (e *Exporter) write(format Format) []byte {
	out := &exposition{format: format}
	out.add(&buildInfo, 1, "version", e.build.Version, "commit", e.build.Commit, "goversion", e.build.Go)
	out.add(&sampleTime, seconds(e.latest.Time))
	e.addInterfaces(out)
	addBounded(out, e.protocols, &protocolPackets, &protocolBytes, "protocol")
	addBounded(out, e.traffic.owners, &ownerPackets, &ownerBytes, ownerLabels...)
	addRetransmits(out, e.traffic.owners, &ownerRetransmits, ownerLabels)
	addBounded(out, e.traffic.containers, &containerPackets, &containerBytes, containerLabels...)
	addRetransmits(out, e.traffic.containers, &containerRetransmits, containerLabels)
	out.addHistogram(&roundTrip, &e.traffic.roundTrips)
	e.addConnections(out)
	e.addDrops(out)
	e.addExecs(out)
	e.addPairs(out)
	e.addLost(out)
	e.addProcess(out)
	return out.end()
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func (e *Exporter) addInterfaces(out *exposition) {
	rows := e.latest.Interfaces
	names := e.interfaceNames()
	each := func(add func(row *probes.Interface, name string, c *interfaceCounters)) {
		for i := range rows {
			if c := e.interfaces[rows[i].Key()]; c != nil && c.isWatched {
				add(&rows[i], names[i], c)
			}
		}
	}
	for i := range rows {
		if row := &rows[i]; names[i] != "" {
			out.add(&interfaceInfo, 1, "interface", names[i], "hook", cmp.Or(string(row.Hook), "none"), "kind", row.Kind, "leads_to", ui.Escape(row.Peer.Owner()))
		}
	}
	out.add(&interfacesLeftOut, float64(e.leftOut))
	each(func(_ *probes.Interface, name string, c *interfaceCounters) {
		out.add(&interfacePackets, float64(c.rxPackets), "interface", name, "direction", "rx")
		out.add(&interfacePackets, float64(c.txPackets), "interface", name, "direction", "tx")
	})
	each(func(_ *probes.Interface, name string, c *interfaceCounters) {
		out.add(&interfaceBytes, float64(c.rxBytes), "interface", name, "direction", "rx")
		out.add(&interfaceBytes, float64(c.txBytes), "interface", name, "direction", "tx")
	})
	each(func(_ *probes.Interface, name string, c *interfaceCounters) {
		out.add(&interfaceMalformed, float64(c.malformed), "interface", name)
	})
	each(func(_ *probes.Interface, name string, c *interfaceCounters) {
		out.add(&interfaceUnseen, float64(c.unseenRX), "interface", name, "direction", "rx")
		out.add(&interfaceUnseen, float64(c.unseenTX), "interface", name, "direction", "tx")
	})
}

// interfaceNames are what interfaces are called, each by another name, even where two look the
// same; those that are left out by none.
func (e *Exporter) interfaceNames() []string {
	rows := e.latest.Interfaces
	names, isTaken := make([]string, len(rows)), make(map[string]bool, len(rows))
	for i := range rows {
		if e.interfaces[rows[i].Key()] == nil {
			continue
		}
		name := ui.Escape(rows[i].Name)
		for isTaken[name] {
			name += "#" + strconv.Itoa(rows[i].Ifindex)
		}
		names[i], isTaken[name] = name, true
	}
	return names
}

// addBounded adds counters of packets and of bytes. The labels are of the parts of their keys.
func addBounded(out *exposition, b *bounded, packets, bytes *family, labels ...string) {
	keys := b.keys()
	add := func(f *family, direction string, value func(*amounts) uint64) {
		for _, key := range keys {
			out.add(f, float64(value(b.of(key))), append(labelled(key, labels), "direction", direction)...)
		}
		out.add(f, float64(value(&b.others)), append(labelled(others(labels), labels), "direction", direction)...)
	}
	add(packets, "rx", func(a *amounts) uint64 { return a.rxPackets })
	add(packets, "tx", func(a *amounts) uint64 { return a.txPackets })
	add(bytes, "rx", func(a *amounts) uint64 { return a.rxBytes })
	add(bytes, "tx", func(a *amounts) uint64 { return a.txBytes })
}

// addRetransmits adds counters of segments that were sent again.
func addRetransmits(out *exposition, b *bounded, f *family, labels []string) {
	for _, key := range b.keys() {
		out.add(f, float64(b.of(key).retransmits), labelled(key, labels)...)
	}
	out.add(f, float64(b.others.retransmits), labelled(others(labels), labels)...)
}

// labelled is the parts of a key, each behind its label.
func labelled(key string, labels []string) []string {
	pairs := make([]string, 0, 2*len(labels)+2)
	for i, part := range strings.Split(key, separator) {
		pairs = append(pairs, labels[i], part)
	}
	return pairs
}

// others is the key of all keys that have no counter of their own.
func others(labels []string) string {
	parts := make([]string, len(labels))
	for i := range parts {
		parts[i] = other
	}
	return join(parts...)
}

// addConnections adds how many there are. Of protocols with no counter of their own, there are
// few connections.
func (e *Exporter) addConnections(out *exposition) {
	type kind struct{ protocol, state string }
	counts := make(map[kind]int)
	for i := range e.latest.Connections {
		c := &e.latest.Connections[i]
		k := kind{c.Protocol, c.State.String()}
		if e.protocols.rows[k.protocol] == nil {
			k = kind{protocol: other}
		}
		counts[k]++
	}
	kinds := slices.SortedFunc(maps.Keys(counts), func(a, b kind) int {
		return strings.Compare(a.protocol+separator+a.state, b.protocol+separator+b.state)
	})
	for _, k := range kinds {
		out.add(&connections, float64(counts[k]), "protocol", k.protocol, "state", k.state)
	}
	out.add(&connectionsCreated, float64(e.created))
	out.add(&connectionsEvicted, float64(e.latest.Lost.ConnectionsEvicted))
}

func (e *Exporter) addDrops(out *exposition) {
	if e.latest.Drops.LeftOut {
		return
	}
	labels := []string{"reason", "interface", "source"}
	for _, key := range e.drops.keys() {
		out.add(&droppedPackets, float64(e.drops.of(key).rxPackets), labelled(key, labels)...)
	}
	out.add(&droppedPackets, float64(e.drops.others.rxPackets), labelled(others(labels), labels)...)
}

func (e *Exporter) addExecs(out *exposition) {
	x := &e.latest.Execs
	if x.LeftOut || x.Hook == "" {
		return
	}
	out.add(&execs, float64(x.Total))
	if x.Failed != nil {
		out.add(&execFailures, float64(*x.Failed))
	}
}

// direction is frames of a pair that enter one interface for the other.
type direction struct {
	from, to string
	leg      *probes.Leg
}

func (e *Exporter) addPairs(out *exposition) {
	var directions []direction
	for i := range e.pairs {
		p := &e.pairs[i]
		a, b := ui.Escape(p.A), ui.Escape(p.B)
		for _, health := range Healths {
			value := 0.0
			if health == p.Health {
				value = 1
			}
			out.add(&pairHealth, value, "a", a, "b", b, "health", health)
		}
		if directions = append(directions, direction{a, b, &p.AToB}); a != b {
			directions = append(directions, direction{b, a, &p.BToA})
		}
	}
	for i := range e.pairs {
		if p := &e.pairs[i]; p.TrialEnds != nil {
			out.add(&pairTrial, seconds(*p.TrialEnds), "a", ui.Escape(p.A), "b", ui.Escape(p.B))
		}
	}
	for _, f := range []struct {
		*family
		value func(*probes.Leg) (packets uint64, isKnown bool)
	}{
		{&pairPackets, func(leg *probes.Leg) (uint64, bool) { return leg.Packets, true }},
		{&pairBytes, func(leg *probes.Leg) (uint64, bool) { return leg.Bytes, true }},
		{&pairDropped, func(leg *probes.Leg) (uint64, bool) { return leg.Dropped, leg.DropsKnown }},
	} {
		for _, d := range directions {
			if value, isKnown := f.value(d.leg); isKnown {
				out.add(f.family, float64(value), "from", d.from, "to", d.to)
			}
		}
	}
	for _, d := range directions {
		for _, failure := range d.leg.Errors {
			out.add(&pairErrors, float64(failure.Packets), "from", d.from, "to", d.to, "cause", failure.Cause)
		}
	}
}

func (e *Exporter) addLost(out *exposition) {
	l, s := &e.latest.Lost, e.latest
	out.add(&lost, float64(l.ConnectionEvents), "what", "connections")
	if !s.Drops.LeftOut {
		out.add(&lost, float64(l.Drops), "what", "drops")
	}
	if !s.Execs.LeftOut {
		out.add(&lost, float64(l.ExecEvents), "what", "execs")
	}
	out.add(&lost, float64(l.OwnerChanges), "what", "owners")
}

func (e *Exporter) addProcess(out *exposition) {
	var usage unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &usage) == nil {
		out.add(&processCPU, float64(usage.Utime.Nano()+usage.Stime.Nano())/float64(time.Second))
	}
	out.add(&processRSS, float64(e.latest.Self.RSS))
	out.add(&processStart, seconds(e.begun))
}
