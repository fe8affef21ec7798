package live

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The test binary runs itself as the processes whose connections are looked at. Each says on
// standard output, in lines of JSON, what it used.
const roleVariable = "EBPFTOP_TEST_OWNER"

func TestMain(m *testing.M) {
	if role := os.Getenv(roleVariable); role != "" {
		if err := play(strings.Fields(role)); err != nil {
			fmt.Fprintln(os.Stderr, role+":", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// used is a connection as a process used it, from its end.
type used struct {
	Protocol      string
	Local, Remote netip.AddrPort
	Sent          int    // bytes of payload
	Datagrams     int    // of UDP, sent
	PID           uint32 // as the test knows it; set by whoever starts the process
}

// play does what a role says.
func play(role []string) error {
	out := json.NewEncoder(os.Stdout)
	switch role[0] {
	case "client": // number, addresses of servers; in a UTS namespace of its own
		return errors.Join(unix.Sethostname([]byte("pod-"+role[1])), clients(out, role[2:]))
	case "serve": // descriptors 3 and 4 listen: TCP, UDP
		return serve(out)
	case "use": // descriptor 3 is connected
		return useFile(out, os.NewFile(3, "passed"))
	case "hold": // address of a server, and what to do after each line of standard input
		return hold(out, role[1])
	case "broadcast":
		return broadcast(out)
	case "share": // a port with whoever else does
		return share(out)
	case "ask-once": // a server, from port 5000, with so many bytes
		return askOnce(out, role[1], role[2])
	case "pass": // to a process of this role: by inheriting, or over a Unix socket
		return pass(out, role[1], role[2])
	case "receive": // over the Unix socket at descriptor 3
		return receive(out)
	}
	return fmt.Errorf("no role %q", role[0])
}

// clients talks to each server: TCP, UDP connected, UDP not connected.
func clients(out *json.Encoder, servers []string) error {
	for i, server := range servers {
		for n := range 2 {
			if err := tcpClient(out, server, 100*(i+n+1)); err != nil {
				return err
			}
		}
		if err := udpClient(out, server, true, 1+i); err != nil {
			return err
		}
		if err := udpClient(out, server, false, 2+i); err != nil {
			return err
		}
	}
	return nil
}

func tcpClient(out *json.Encoder, server string, bytes int) error {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	return errors.Join(use(out, conn, bytes), conn.Close())
}

// use sends so many bytes, and reads the same number.
func use(out *json.Encoder, conn net.Conn, bytes int) error {
	if _, err := conn.Write(make([]byte, bytes)); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, bytes)); err != nil {
		return err
	}
	return say(out, "tcp", conn.LocalAddr(), conn.RemoteAddr(), bytes, 0)
}

func say(out *json.Encoder, protocol string, local, remote net.Addr, sent, datagrams int) error {
	l, err := netip.ParseAddrPort(local.String())
	if err != nil {
		return err
	}
	r, err := netip.ParseAddrPort(remote.String())
	if err != nil {
		return err
	}
	unmap := func(a netip.AddrPort) netip.AddrPort {
		return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
	}
	return out.Encode(used{Protocol: protocol, Local: unmap(l), Remote: unmap(r), Sent: sent, Datagrams: datagrams, PID: uint32(os.Getpid())})
}

func udpClient(out *json.Encoder, server string, isConnected bool, datagrams int) error {
	remote, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return err
	}
	local := &net.UDPAddr{}
	var conn *net.UDPConn
	if isConnected {
		conn, err = net.DialUDP("udp", nil, remote)
	} else {
		// The address that the route says, for the record.
		probe, dialErr := net.DialUDP("udp", nil, remote)
		if dialErr != nil {
			return dialErr
		}
		local.IP = probe.LocalAddr().(*net.UDPAddr).IP
		probe.Close()
		conn, err = net.ListenUDP("udp", nil)
	}
	if err != nil {
		return err
	}
	defer conn.Close()
	const bytes = 48
	answer := make([]byte, 2*bytes)
	for range datagrams {
		if isConnected {
			_, err = conn.Write(make([]byte, bytes))
		} else {
			_, err = conn.WriteToUDP(make([]byte, bytes), remote)
		}
		if err != nil {
			return err
		}
		if _, _, err := conn.ReadFromUDP(answer); err != nil {
			return err
		}
	}
	from := conn.LocalAddr().(*net.UDPAddr)
	if !isConnected {
		from = &net.UDPAddr{IP: local.IP, Port: from.Port}
	}
	return say(out, "udp", from, remote, datagrams*bytes, datagrams)
}

// serve answers whatever comes to descriptors 3 (TCP) and 4 (UDP), until it is killed.
func serve(out *json.Encoder) error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	conn, err := net.FilePacketConn(os.NewFile(4, "udp"))
	if err != nil {
		return err
	}
	return serveBoth(out, listener, conn)
}

func serveBoth(out *json.Encoder, listener net.Listener, conn net.PacketConn) error {
	go func() {
		buffer := make([]byte, 1000)
		for {
			n, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(buffer[:n], from)
		}
	}()
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		if err := say(out, "tcp", conn.LocalAddr(), conn.RemoteAddr(), 0, 0); err != nil {
			return err
		}
		go func() {
			_, _ = io.Copy(conn, conn)
			conn.Close()
		}()
	}
}

// useFile uses a connected socket.
func useFile(out *json.Encoder, file *os.File) error {
	conn, err := net.FileConn(file)
	if err != nil {
		return err
	}
	file.Close()
	return errors.Join(use(out, conn, 300), conn.Close())
}

// pass connects to a server, and has another process use the connection.
func pass(out *json.Encoder, way, server string) error {
	conn, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	file, err := conn.(*net.TCPConn).File()
	conn.Close()
	if err != nil {
		return err
	}
	if way == "inherit" {
		user := again("use", file)
		if err := user.Start(); err != nil {
			return err
		}
		file.Close()
		return user.Wait()
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	far := os.NewFile(uintptr(pair[1]), "far")
	user := again("receive", far)
	if err := user.Start(); err != nil {
		return err
	}
	far.Close()
	err = unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(int(file.Fd())), nil, 0)
	file.Close()
	return errors.Join(err, user.Wait())
}

// receive gets a socket from another process, and uses it.
func receive(out *json.Encoder) error {
	oob := make([]byte, 64)
	_, n, _, _, err := unix.Recvmsg(3, make([]byte, 1), oob, 0)
	if err != nil {
		return err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) == 0 {
		return fmt.Errorf("no descriptor: %v", err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return err
	}
	return useFile(out, os.NewFile(uintptr(fds[0]), "received"))
}

// again is the test binary in a role, which has these files.
func again(role string, files ...*os.File) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), roleVariable+"="+role)
	cmd.Stdout, cmd.Stderr, cmd.ExtraFiles = os.Stdout, os.Stderr, files
	return cmd
}

// hold opens sockets, says which, and sends on all of them for each line that it reads. It
// closes them when there are no more.
func hold(out *json.Encoder, server string) error {
	remote, err := net.ResolveUDPAddr("udp", server)
	if err != nil {
		return err
	}
	tcp, err := net.Dial("tcp", server)
	if err != nil {
		return err
	}
	udp, err := net.DialUDP("udp", nil, remote)
	if err != nil {
		return err
	}
	conns := []net.Conn{tcp, udp}
	for _, conn := range conns {
		if err := say(out, conn.LocalAddr().Network(), conn.LocalAddr(), conn.RemoteAddr(), 0, 0); err != nil {
			return err
		}
	}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		for _, conn := range conns {
			if _, err := conn.Write(make([]byte, 10)); err != nil {
				return err
			}
			if _, err := io.ReadFull(conn, make([]byte, 10)); err != nil {
				return err
			}
		}
	}
	return errors.Join(tcp.Close(), udp.Close())
}

// share serves TCP and UDP on a port that others may share, until it is killed.
func share(out *json.Encoder) error {
	config := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) (err error) {
		_ = c.Control(func(fd uintptr) { err = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1) })
		return err
	}}
	config.SetMultipathTCP(false)
	conn, err := config.ListenPacket(context.Background(), "udp4", ":5000")
	if err != nil {
		return err
	}
	listener, err := config.Listen(context.Background(), "tcp4", ":5000")
	if err != nil {
		return err
	}
	if err := say(out, "udp", conn.LocalAddr(), conn.LocalAddr(), 0, 0); err != nil {
		return err
	}
	return serveBoth(out, listener, conn)
}

// askOnce asks a server from a port that others use before and after.
func askOnce(out *json.Encoder, server, bytes string) error {
	n, err := strconv.Atoi(bytes)
	if err != nil {
		return err
	}
	remote, err := net.ResolveUDPAddr("udp4", server)
	if err != nil {
		return err
	}
	conn, err := net.DialUDP("udp4", &net.UDPAddr{Port: 5000}, remote)
	if err != nil {
		return err
	}
	defer conn.Close()
	if _, err := conn.Write(make([]byte, n)); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, n)); err != nil {
		return err
	}
	return say(out, "udp", conn.LocalAddr(), conn.RemoteAddr(), n, 1)
}

// broadcast sends once, and holds the socket until standard input ends.
func broadcast(out *json.Encoder) error {
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 5000})
	if err != nil {
		return err
	}
	to := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 255), Port: 5001}
	if _, err := conn.WriteToUDP(make([]byte, 10), to); err != nil {
		return err
	}
	if err := say(out, "udp", conn.LocalAddr(), to, 10, 1); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return errors.Join(err, conn.Close())
}
