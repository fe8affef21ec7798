package main

import "encoding/binary"

// testFrame is a frame to give to programs.
type testFrame struct {
	name string
	data []byte
}

func testFrames() []testFrame {
	return []testFrame{
		{"64B-UDP", udpFrame(64)},
		{"64B-TCP", tcpFrame(64)},
		{"1500B-TCP", tcpFrame(1514)},
		{"IPv6-TCP", ipv6Frame(78)},
		{"QinQ-TCP", qinqFrame(72)},
	}
}

const localPort = 8080 // the one that the baseline of tuples counts

// ipv4 is an Ethernet frame of that size with an IPv4 header.
func ipv4(size int, protocol byte) []byte {
	f := make([]byte, size)
	binary.BigEndian.PutUint16(f[12:], 0x0800)
	f[14], f[22], f[23] = 0x45, 64, protocol
	binary.BigEndian.PutUint16(f[16:], uint16(size-14))
	copy(f[26:], []byte{10, 0, 0, 0, 10, 255, 0, 1})
	binary.BigEndian.PutUint16(f[34:], 40000)
	binary.BigEndian.PutUint16(f[36:], localPort)
	return f
}

func tcpFrame(size int) []byte {
	f := ipv4(size, 6)
	f[46], f[47] = 0x50, 0x10 // 20 bytes, ACK
	return f
}

func udpFrame(size int) []byte {
	f := ipv4(size, 17)
	binary.BigEndian.PutUint16(f[38:], uint16(size-34))
	return f
}

func ipv6Frame(size int) []byte {
	f := make([]byte, size)
	binary.BigEndian.PutUint16(f[12:], 0x86dd)
	f[14], f[20], f[21] = 0x60, 6, 64
	binary.BigEndian.PutUint16(f[18:], uint16(size-54))
	f[22], f[37], f[38], f[53] = 0xfd, 1, 0xfd, 2
	binary.BigEndian.PutUint16(f[54:], 40000)
	binary.BigEndian.PutUint16(f[56:], localPort)
	f[66], f[67] = 0x50, 0x10
	return f
}

func qinqFrame(size int) []byte {
	inner := tcpFrame(size - 8)
	f := append([]byte{}, inner[:12]...)
	f = append(f, 0x88, 0xa8, 0, 100, 0x81, 0, 0, 200)
	return append(f, inner[12:]...)
}
