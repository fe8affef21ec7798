package past

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// filler sets every field there is, to another value each time: one that is added to a sample
// is among them.
type filler struct{ *rand.Rand }

var filled = map[reflect.Type]func(f filler) any{
	reflect.TypeFor[time.Time]():  func(f filler) any { return time.Unix(0, f.Int64N(1e18)) },
	reflect.TypeFor[netip.Addr](): func(f filler) any { return f.address() },
	reflect.TypeFor[netip.Prefix](): func(f filler) any {
		return netip.PrefixFrom(f.address(), f.IntN(32))
	},
	reflect.TypeFor[probes.Endpoint](): func(f filler) any {
		return probes.Endpoint(netip.AddrPortFrom(f.address(), uint16(f.Uint32())))
	},
	reflect.TypeFor[probes.State](): func(f filler) any { return probes.State(f.IntN(12)) },
}

func (f filler) address() netip.Addr {
	if f.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, byte(f.Uint32()), 1, byte(f.Uint32())})
	}
	return netip.AddrFrom16([16]byte{0x20, 1, 9: byte(f.Uint32()), 15: byte(f.Uint32())})
}

func (f filler) fill(v reflect.Value) {
	if value := filled[v.Type()]; value != nil {
		v.Set(reflect.ValueOf(value(f)))
		return
	}
	switch v.Kind() {
	case reflect.Bool:
		v.SetBool(f.IntN(2) == 0)
	case reflect.String:
		v.SetString(fmt.Sprint("text ", f.Uint32()))
	case reflect.Float64:
		v.SetFloat(float64(f.Float32()))
	case reflect.Int, reflect.Int64:
		v.SetInt(f.Int64() - 1<<62)
	case reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		v.SetUint(f.Uint64() >> (64 - v.Type().Bits()))
	case reflect.Pointer:
		v.SetZero()
		if f.IntN(4) > 0 {
			v.Set(reflect.New(v.Type().Elem()))
			f.fill(v.Elem())
		}
	case reflect.Slice:
		v.SetZero()
		if n := f.IntN(6) - 1; n >= 0 {
			v.Set(reflect.MakeSlice(v.Type(), n, n))
		}
		for i := range v.Len() {
			f.fill(v.Index(i))
		}
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	default:
		panic("no values for " + v.Type().String())
	}
}

// sample is one in which all is set, some of it as it was in the one before.
func (f filler) sample(before *probes.Sample) *probes.Sample {
	s := new(probes.Sample)
	f.fill(reflect.ValueOf(s).Elem())
	s.Ended, s.Execs.Events = nil, nil
	for i := range s.Drops.Rows {
		d := &s.Drops.Rows[i]
		if d.Last = nil; len(d.Latest) > 0 {
			d.Last = &d.Latest[0]
		}
	}
	if before == nil {
		return s
	}
	s.Interfaces = append(slices.Clone(before.Interfaces), s.Interfaces...)
	s.Connections = append(s.Connections, before.Connections[len(before.Connections)/2:]...)
	s.Connections = append(s.Connections, before.Connections[:len(before.Connections)/3]...)
	for i := range s.Connections {
		s.Connections[i].RXBytes += uint64(i % 3)
	}
	return s
}

// TestRecall has every moment as it was, whatever a sample holds.
func TestRecall(t *testing.T) {
	f := filler{rand.New(rand.NewPCG(1, 2))}
	p := New(Room)
	var samples []*probes.Sample
	for n := range uint64(3 * chainLength) {
		var before *probes.Sample
		if n > 0 && n%7 > 0 {
			before = samples[n-1]
		}
		samples = append(samples, f.sample(before))
		p.Add(Kept{Moment: Moment{Number: n + 1, At: time.Duration(n) * time.Second}, Sample: samples[n], Programs: n, LeftOut: int(n)})
	}
	for n, want := range samples {
		k, ok := p.Recall(uint64(n + 1))
		if !ok || k.Number != uint64(n+1) || k.Programs != uint64(n) || k.LeftOut != n || k.At != time.Duration(n)*time.Second {
			t.Fatalf("moment %d: %+v", n+1, k)
		}
		got, wanted := reflect.ValueOf(*k.Sample), reflect.ValueOf(*want)
		for i := range got.NumField() {
			if !reflect.DeepEqual(got.Field(i).Interface(), wanted.Field(i).Interface()) {
				t.Fatalf("moment %d: %s is not what it was", n+1, got.Type().Field(i).Name)
			}
		}
	}
}

// TestFillerFills: what TestRecall compares is not all zero.
func TestFillerFills(t *testing.T) {
	f, isSet := filler{rand.New(rand.NewPCG(1, 2))}, make(map[string]bool)
	for range 50 {
		note(reflect.ValueOf(*f.sample(nil)), "sample", isSet)
	}
	for name, set := range isSet {
		if !set && name != "sample.Ended" && name != "sample.Execs.Events" {
			t.Errorf("%s is never set", name)
		}
	}
}

func note(v reflect.Value, name string, isSet map[string]bool) {
	isSet[name] = isSet[name] || !v.IsZero()
	switch {
	case filled[v.Type()] != nil:
	case v.Kind() == reflect.Pointer && !v.IsNil():
		note(v.Elem(), name, isSet)
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			note(v.Index(i), name, isSet)
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			note(v.Field(i), name+"."+v.Type().Field(i).Name, isSet)
		}
	}
}

// busy is a sample in which every connection has carried something since the one before.
func busy(connections, n int) *probes.Sample {
	s := fake.Sample(n)
	s.Connections = fake.Connections(connections, 0, fake.Start)
	for i := range s.Connections {
		c := &s.Connections[i]
		c.LastSeen = s.Time.Add(-time.Duration(i%500) * time.Millisecond)
		c.RXPackets, c.RXBytes = uint64(n), uint64(n)*uint64(60+i%1400)
		c.TXPackets, c.TXBytes = uint64(n), uint64(n)*60
		c.RXBPS, c.TXBPS = float64(i%1400)*16+float64(n%3)*99, 960
	}
	return &s
}

const interval = 2 * time.Second

// pastOf keeps a busy quarter of an hour.
func pastOf(connections, room int) *Past {
	p := New(room)
	for n := range 450 {
		p.Add(Kept{Moment: Moment{uint64(n + 1), time.Duration(n) * interval}, Sample: busy(connections, n)})
	}
	return p
}

// TestReach: ten minutes are kept, and no more.
func TestReach(t *testing.T) {
	p := pastOf(10, Room)
	list := p.Moments()
	if first, last := list[0], list[len(list)-1]; last.Number != 450 || last.At-first.At < Reach || last.At-first.At > Reach+chainLength*interval {
		t.Errorf("from %+v to %+v", first, last)
	}
	if k, _ := p.Recall(1); k.Number != list[0].Number {
		t.Errorf("the oldest one is %d, want %d", k.Number, list[0].Number)
	}
}

// TestRoom: it takes no more than it may, thins out what is old, and what is kept is right.
func TestRoom(t *testing.T) {
	const connections, room = 1000, 1 << 20
	p := pastOf(connections, room)
	size := 0
	for _, ch := range p.chains {
		size += ch.size()
	}
	list := p.Moments()
	if size > room || size < room*3/4 {
		t.Errorf("%d bytes, may be %d", size, room)
	}
	if last := len(list) - 1; list[last].Number-list[last-4].Number != 4 {
		t.Errorf("of the latest there are %v", list[last-4:])
	}
	if list[1].Number-list[0].Number != chainLength {
		t.Errorf("of the oldest there are %v", list[:3])
	}
	for _, m := range []Moment{list[0], list[len(list)/2], list[len(list)-1]} {
		k, _ := p.Recall(m.Number)
		want := busy(connections, int(m.Number-1))
		for i := range want.Connections {
			got, want := &k.Sample.Connections[i], &want.Connections[i]
			if got.RXBytes != want.RXBytes || got.Remote != want.Remote || !got.LastSeen.Equal(want.LastSeen) || !got.FirstSeen.Equal(want.FirstSeen) {
				t.Fatalf("moment %d has %+v, want %+v", m.Number, got, want)
			}
		}
	}
}

// TestEndedAfter has the connections that ended later, also where moments were thinned out.
func TestEndedAfter(t *testing.T) {
	p := New(1 << 20)
	ended := fake.Connections(450, 0, fake.Start)
	for n := range 450 {
		p.End(uint64(n+1), ended[n:n+1])
		p.Add(Kept{Moment: Moment{uint64(n + 1), time.Duration(n) * time.Second}, Sample: busy(400, n)})
	}
	for _, m := range p.Moments() {
		var got []probes.Connection
		for rows := range p.EndedAfter(m.Number) {
			got = append(got, rows...)
		}
		if want := ended[m.Number:]; len(got) != len(want) || len(want) > 0 && got[0].Remote != want[0].Remote {
			t.Fatalf("%d ended after %d, want %d", len(got), m.Number, len(want))
		}
	}
	if p.MissesEnded(0) {
		t.Error("some were left out")
	}
	for n := range 200 {
		p.End(uint64(500+n), fake.Connections(4000, 0, fake.Start))
	}
	if got := p.current().endedBytes(); got > 2*endedRoom || !p.MissesEnded(500) {
		t.Errorf("%d bytes are kept, and none left out", got)
	}
}

// BenchmarkAdd keeps a moment at which every connection has changed, as the next of many.
func BenchmarkAdd(b *testing.B) {
	for _, connections := range []int{100, 10_000, 16_384} {
		b.Run(fmt.Sprint("connections=", connections), func(b *testing.B) {
			p := New(Room)
			samples := []*probes.Sample{busy(connections, 1), busy(connections, 2), busy(connections, 3)}
			n := 0
			b.ReportAllocs()
			for b.Loop() {
				n++
				p.Add(Kept{Moment: Moment{uint64(n), time.Duration(n) * interval}, Sample: samples[n%3]})
			}
			b.ReportMetric(float64(p.current().bytes)/float64(len(p.current().links)*connections), "B/row")
		})
	}
}

// BenchmarkRecall goes back to the last moment of a chain, which takes longest.
func BenchmarkRecall(b *testing.B) {
	for _, connections := range []int{100, 10_000, 16_384} {
		b.Run(fmt.Sprint("connections=", connections), func(b *testing.B) {
			p := New(Room)
			for n := range chainLength {
				p.Add(Kept{Moment: Moment{uint64(n + 1), time.Duration(n) * interval}, Sample: busy(connections, n)})
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := p.Recall(chainLength); !ok {
					b.Fatal("nothing is kept")
				}
			}
		})
	}
}
