package packets

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// TestParserPcap compares on the frames of a file, or of all pcap and pcapng
// files in and under a directory: what -pcap says, else what it writes itself.
func TestParserPcap(t *testing.T) {
	labtest.RequireRoot(t)
	t.Parallel()
	path := *parserPcap
	if path == "" {
		path = t.TempDir()
		writeCaptures(t, path)
	}
	b := newParserBench(t)
	count := b.runAll(t, func(yield func([]byte) bool) {
		for file := range filesUnder(t, path) {
			if !b.yieldCapture(t, file, yield) {
				return
			}
		}
	})
	labtest.Report(t, "frames compared", count)
	if *parserPcap == "" && count != 2*len(frameKinds())+1 {
		t.Errorf("%d frames read, %d written", count, 2*len(frameKinds())+1)
	}
}

func filesUnder(t *testing.T, path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		err := filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
			if err == nil && entry.Type().IsRegular() && !yield(file) {
				err = fs.SkipAll
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// yieldCapture yields what a file has, and says how much it left out.
func (b *parserBench) yieldCapture(t *testing.T, path string, yield func([]byte) bool) bool {
	file, err := os.Open(path)
	if err != nil {
		t.Error(err)
		return true
	}
	defer file.Close()
	read, err := openCapture(file)
	if err != nil {
		t.Logf("%s is no capture: %v", path, err)
		return true
	}
	var taken, left int
	for {
		packet, link, err := read()
		if err != nil {
			if !errors.Is(err, io.EOF) {
				t.Logf("%s, after %d frames: %v", path, taken+left, err)
			}
			t.Logf("%s: %d frames, and %d left out", path, taken, left)
			return true
		}
		frame := asEthernet(packet, link)
		if len(frame) < parserFrameMin || len(frame) > parserFrameMax {
			left++
		} else if taken++; !yield(frame) {
			return false
		}
	}
}

// openCapture returns what reads packets, and their link types, one by one.
func openCapture(file io.Reader) (read func() ([]byte, layers.LinkType, error), err error) {
	buffered := bufio.NewReader(file)
	magic, err := buffered.Peek(4)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(magic, []byte{0x0a, 0x0d, 0x0d, 0x0a}) {
		r, err := pcapgo.NewReader(buffered)
		if err != nil {
			return nil, err
		}
		return func() ([]byte, layers.LinkType, error) {
			packet, _, err := r.ReadPacketData()
			return packet, r.LinkType(), err
		}, nil
	}
	r, err := pcapgo.NewNgReader(buffered, pcapgo.NgReaderOptions{WantMixedLinkType: true, SkipUnknownVersion: true})
	if err != nil {
		return nil, err
	}
	return func() ([]byte, layers.LinkType, error) {
		packet, info, err := r.ReadPacketData()
		if err != nil {
			return nil, 0, err
		}
		link, ok := info.AncillaryData[0].(layers.LinkType)
		if !ok {
			return nil, 0, fmt.Errorf("packet without a link type")
		}
		return packet, link, nil
	}, nil
}

// asEthernet puts an Ethernet header before packets captured without. Of other
// links nothing is left.
func asEthernet(packet []byte, link layers.LinkType) []byte {
	switch link {
	case layers.LinkTypeEthernet:
		return packet
	case layers.LinkTypeRaw, layers.LinkTypeIPv4, layers.LinkTypeIPv6:
		header := make([]byte, parserFrameMin)
		header[ethertypeAt], header[ethertypeAt+1] = 0x08, 0x00
		if len(packet) > 0 && packet[0]>>4 == 6 {
			header[ethertypeAt], header[ethertypeAt+1] = 0x86, 0xdd
		}
		return append(header, packet...)
	}
	return nil
}

// writeCaptures writes every kind of frame in both formats, and to the second a
// packet of another link and one too short for a test run.
func writeCaptures(t testing.TB, directory string) {
	t.Helper()
	var pcap, pcapng bytes.Buffer
	old := pcapgo.NewWriter(&pcap)
	must(old.WriteFileHeader(65536, layers.LinkTypeEthernet))
	ng, err := pcapgo.NewNgWriter(&pcapng, layers.LinkTypeEthernet)
	must(err)
	raw, err := ng.AddInterface(pcapgo.NgInterface{LinkType: layers.LinkTypeRaw})
	must(err)
	for _, kind := range frameKinds() {
		info := gopacket.CaptureInfo{Length: len(kind.frame), CaptureLength: len(kind.frame)}
		must(old.WritePacket(info, kind.frame))
		must(ng.WritePacket(info, kind.frame))
	}
	ip := frame6(layers.IPProtocolUDP, udpBytes())[parserFrameMin:]
	must(ng.WritePacket(gopacket.CaptureInfo{Length: len(ip), CaptureLength: len(ip), InterfaceIndex: raw}, ip))
	must(ng.WritePacket(gopacket.CaptureInfo{Length: 5, CaptureLength: 5}, ip[:5]))
	must(ng.Flush())
	must(os.WriteFile(filepath.Join(directory, "a.pcap"), pcap.Bytes(), 0o600))
	must(os.MkdirAll(filepath.Join(directory, "more"), 0o700))
	must(os.WriteFile(filepath.Join(directory, "more", "b.pcapng"), pcapng.Bytes(), 0o600))
	must(os.WriteFile(filepath.Join(directory, "notes.txt"), slices.Repeat([]byte("text"), 10), 0o600))
}

// FuzzCapture reads files that claim to be captures. They are not ours, and need
// not be what they claim.
func FuzzCapture(f *testing.F) {
	directory := f.TempDir()
	writeCaptures(f, directory)
	for _, name := range []string{"a.pcap", "more/b.pcapng", "notes.txt"} {
		content, err := os.ReadFile(filepath.Join(directory, name))
		must(err)
		f.Add(content)
	}
	var empty bytes.Buffer
	capture := pcapgo.NewWriter(&empty)
	must(capture.WriteFileHeader(65536, layers.LinkTypeRaw))
	must(capture.WritePacket(gopacket.CaptureInfo{}, nil))
	f.Add(empty.Bytes())
	f.Fuzz(func(t *testing.T, content []byte) {
		read, err := openCapture(bytes.NewReader(content))
		for err == nil {
			var packet []byte
			var link layers.LinkType
			if packet, link, err = read(); err == nil {
				asEthernet(packet, link)
			}
		}
	})
}
