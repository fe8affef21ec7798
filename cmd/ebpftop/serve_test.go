package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/confine"
	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// server is a running `ebpftop serve` in a namespace.
type server struct {
	*bench
	cmd    *exec.Cmd
	in     *lab.Namespace
	errOut bytes.Buffer
	client *http.Client
}

// newServer is not yet started.
func newServer(t *testing.T, in *lab.Namespace, args ...string) *server {
	t.Helper()
	s := &server{bench: &bench{t: t}, cmd: ebpftop(t, append([]string{"serve", "--interval", "100ms"}, args...)...), in: in}
	s.cmd.Stderr = &s.errOut
	s.client = clientIn(in)
	return s
}

// clientIn asks from a namespace.
func clientIn(in *lab.Namespace) *http.Client {
	return &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (conn net.Conn, err error) {
		err = in.Do(func() error { conn, err = new(net.Dialer).DialContext(ctx, network, address); return err })
		return conn, err
	}}}
}

// serve starts it, and waits until it is ready.
func serve(t *testing.T, in *lab.Namespace, args ...string) *server {
	t.Helper()
	s := newServer(t, in, args...)
	s.check(in.Start(s.cmd))
	s.awaitReady()
	return s
}

func (s *server) awaitReady() {
	s.t.Helper()
	s.await(func() error {
		_, err := s.get("/-/ready")
		return err
	})
}

// get returns what is answered with status 200.
func (s *server) get(path string) (body string, err error) {
	response, err := s.client.Get("http://" + defaultListen + path)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(text), err
}

// metrics are values by name and labels, these in the order of the alphabet.
func (s *server) metrics() map[string]float64 {
	s.t.Helper()
	text, err := s.get("/metrics")
	s.check(err)
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	s.check(err)
	values := make(map[string]float64)
	for name, f := range families {
		for _, m := range f.Metric {
			labels := make([]string, len(m.Label))
			for i, l := range m.Label {
				labels[i] = fmt.Sprintf(" %s=%s", l.GetName(), l.GetValue())
			}
			slices.Sort(labels)
			values[name+strings.Join(labels, "")] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return values
}

// awaitMetrics waits until all are as wanted.
func (s *server) awaitMetrics(want map[string]float64) {
	s.t.Helper()
	s.await(func() error {
		got := s.metrics()
		for key, value := range want {
			if got, isThere := got[key]; !isThere || got != value {
				return fmt.Errorf("%s: %v (%v), want %v", key, got, isThere, value)
			}
		}
		return nil
	})
}

// end ends it in good order.
func (s *server) end() {
	s.t.Helper()
	s.check(s.cmd.Process.Signal(syscall.SIGTERM))
	if status := status(s.t, s.cmd.Wait()); status != 0 || s.errOut.Len() > 0 {
		s.t.Errorf("ended with status %d, said %q", status, s.errOut.String())
	}
}

// TestServe says what was sent, and what `stats --json` says at the same time.
func TestServe(t *testing.T) {
	host, peer := pair(t)
	s := serve(t, host)
	o := openStats(t, host)
	sendAll(t, peer, "peer0", slices.Repeat([][]byte{udpFrame(t, 4000)}, 700))
	s.check(host.Inject("host0", udpFrame(t, 4001)))
	s.awaitMetrics(map[string]float64{
		"ebpftop_interface_packets_total direction=rx interface=host0":     700,
		"ebpftop_interface_bytes_total direction=rx interface=host0":       70000,
		"ebpftop_interface_packets_total direction=tx interface=host0":     1,
		"ebpftop_protocol_packets_total direction=rx protocol=udp":         700,
		"ebpftop_protocol_bytes_total direction=tx protocol=udp":           100,
		"ebpftop_protocol_bytes_total direction=rx protocol=other":         0,
		"ebpftop_connections protocol=udp":                                 2,
		"ebpftop_connections_created_total":                                2,
		"ebpftop_connections_evicted_total":                                0,
		"ebpftop_lost_events_total what=connections":                       0,
		"ebpftop_interface_malformed_packets_total interface=host0":        0,
		"ebpftop_interface_info hook=tracepoint interface=host0 kind=veth": 1,
	})
	var object struct {
		sample
		Drops []struct {
			Reason, Interface, Source string
			Packets                   uint64
		}
	}
	// Nothing more is sent, so that both say the same once both have taken a sample.
	s.await(func() error {
		o.next()
		o.decode(&object)
		got, want := s.metrics(), make(map[string]float64)
		for _, d := range object.Drops {
			want[fmt.Sprintf("ebpftop_dropped_packets_total interface=%s reason=%s source=%s", d.Interface, d.Reason, d.Source)] += float64(d.Packets)
		}
		if len(want) == 0 {
			return errors.New("stats has no drops")
		}
		for key, value := range want {
			if got[key] != value {
				return fmt.Errorf("%s: %v, stats has %v", key, got[key], value)
			}
		}
		var bytes float64
		for key, value := range got {
			if strings.HasPrefix(key, "ebpftop_owner_bytes_total") && strings.Contains(key, "direction=rx") {
				bytes += value
			}
		}
		if bytes != 70000 {
			return fmt.Errorf("owners received %v bytes", bytes)
		}
		return nil
	})
	before := s.metrics()["ebpftop_execs_total"]
	s.check(exec.Command("/bin/true").Run())
	s.await(func() error {
		if now := s.metrics()["ebpftop_execs_total"]; now <= before {
			return fmt.Errorf("%v programs executed", now)
		}
		return nil
	})
	awaitLeftRoot(t, s.cmd.Process.Pid, confine.Serving...)
	awaitSupervising(t, s.cmd.Process.Pid)
	s.end()
}

// TestServeIsLintFree as promtool sees it. Package exporter has the same by the library.
func TestServeIsLintFree(t *testing.T) {
	promtool := require(t, "promtool", "prometheus")
	host, peer := pair(t)
	s := serve(t, host)
	s.check(peer.Inject("peer0", udpFrame(t, 4000)))
	s.awaitMetrics(map[string]float64{"ebpftop_interface_packets_total direction=rx interface=host0": 1})
	text, err := s.get("/metrics")
	s.check(err)
	cmd := exec.Command(promtool, "check", "metrics")
	cmd.Stdin = strings.NewReader(text)
	if said, err := cmd.CombinedOutput(); err != nil || len(said) > 0 {
		t.Errorf("promtool check metrics: %v, %s", err, said)
	}
	s.end()
}

// TestServePairs says how they are, and which frames kept ones lose; by others, nobody tells.
func TestServePairs(t *testing.T) {
	b := newBench(t, 2)
	s := serve(t, b.hub)
	r := b.start(newLinksFile(t, "sw0: {peer: sw1, datapath: xdp-generic}"))
	s.awaitMetrics(map[string]float64{"ebpftop_cross_connect_health a=sw0 b=sw1 health=up": 1})
	if dropped, isKnown := s.metrics()["ebpftop_cross_connect_dropped_packets_total from=sw0 to=sw1"]; isKnown {
		t.Errorf("another process's pair is said to have dropped %v frames", dropped)
	}
	r.end(syscall.SIGTERM)
	s.await(func() error {
		for key := range s.metrics() {
			if strings.HasPrefix(key, "ebpftop_cross_connect_health") {
				return errors.New(key)
			}
		}
		return nil
	})

	b.run("add", port(0), port(1), "--datapath", "xdp-generic")
	s.awaitMetrics(map[string]float64{"ebpftop_cross_connect_health a=sw0 b=sw1 health=up": 1})
	frame := numbered(0, 100)
	b.check(b.wires[0].Send(frame, frame, frame))
	s.awaitMetrics(map[string]float64{
		"ebpftop_cross_connect_health a=sw0 b=sw1 health=up":          1,
		"ebpftop_cross_connect_health a=sw0 b=sw1 health=down":        0,
		"ebpftop_cross_connect_packets_total from=sw0 to=sw1":         3,
		"ebpftop_cross_connect_bytes_total from=sw0 to=sw1":           300,
		"ebpftop_cross_connect_packets_total from=sw1 to=sw0":         0,
		"ebpftop_cross_connect_dropped_packets_total from=sw0 to=sw1": 0,
	})
	b.setUp(port(1), false)
	b.check(b.wires[0].Send(frame, frame))
	s.awaitMetrics(map[string]float64{
		"ebpftop_cross_connect_health a=sw0 b=sw1 health=up":                0,
		"ebpftop_cross_connect_health a=sw0 b=sw1 health=down":              1,
		"ebpftop_cross_connect_packets_total from=sw0 to=sw1":               5,
		"ebpftop_cross_connect_dropped_packets_total from=sw0 to=sw1":       2,
		"ebpftop_cross_connect_errors_total cause=ENETDOWN from=sw0 to=sw1": 2,
	})
	b.run("del", port(0))
	s.end()
}

// TestServeRefuses what it cannot do, before it attaches anything, with one line.
func TestServeRefuses(t *testing.T) {
	host, _ := pair(t)
	folder := t.TempDir()
	config := filepath.Join(folder, "web.yaml")
	(&bench{t: t}).check(os.WriteFile(config, []byte("tls_server_config: {cert_file: none.pem, key_file: none.pem}\n"), 0o600))
	s := serve(t, host)
	for _, test := range []struct {
		args, line string
		status     int
	}{
		{"", "--listen 127.0.0.1:9435: the port is taken: end who listens there (`ss -ltnp`), or choose another one", 1},
		{"--listen 192.0.2.7:9435", "--listen 192.0.2.7:9435: this host has no such address: `ip address` lists those it has", 1},
		{"--listen [::]:9436", "--listen [::]:9436: others reach that, which takes TLS, and passwords or certificates of clients: name a file of them by --web.config.file, or use 127.0.0.1 or [::1]", 2},
		{"--listen systemd", "--listen systemd: systemd passed no socket, or several: start it by a .socket unit with one ListenStream=", 1},
		{"--listen unix:/" + strings.Repeat("a", 107), "--listen unix:/" + strings.Repeat("a", 107) + ": the path of a socket has 107 bytes at most: choose a shorter one", 1},
		{"--listen unix:/nosuch/socket", "--listen unix:/nosuch/socket: listen unix /nosuch/socket: bind: no such file or directory", 1},
		{"--listen 127.0.0.1:9437 --web.config.file " + config, "--web.config.file: " + config + ":1: cert_file: open " + folder + "/none.pem: no such file or directory", 1},
		{"--listen 127.0.0.1:9437 -i nosuch[", `interface pattern "nosuch[": syntax error in pattern: close the bracket, or write \[ for one`, 2},
	} {
		cmd := ebpftop(t, append([]string{"serve"}, strings.Fields(test.args)...)...)
		late := time.AfterFunc(patience, func() { _ = cmd.Process.Signal(syscall.SIGTERM) }) // it has started by then
		got := finish(t, host, cmd)
		late.Stop()
		if want := "ebpftop: " + test.line + "\n"; got.status != test.status || got.errOut != want {
			t.Errorf("%s: status %d, said %q, want %d, %q", test.args, got.status, got.errOut, test.status, want)
		}
	}
	s.end()
}

// TestServeOfSystemdRefuses what systemd should not have passed: a connection, and a socket that
// others reach.
func TestServeOfSystemdRefuses(t *testing.T) {
	host, _ := pair(t)
	b := &bench{t: t}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	b.check(err)
	defer unix.Close(pair[1])
	connection := os.NewFile(uintptr(pair[0]), "connection")
	defer connection.Close()
	var open *os.File
	b.check(host.Do(func() error {
		listener, err := net.Listen("tcp", ":9436")
		if err != nil {
			return err
		}
		defer listener.Close()
		open, err = listener.(*net.TCPListener).File()
		return err
	}))
	defer open.Close()
	for file, want := range map[*os.File]string{
		connection: "what systemd passed is a connection, not a socket to listen at: the .socket unit must not have Accept=yes",
		open:       "others reach that, which takes TLS, and passwords or certificates of clients: name a file of them by --web.config.file, or use 127.0.0.1 or [::1]",
	} {
		cmd := ebpftop(t, "serve", "--listen", "systemd")
		cmd.ExtraFiles = []*os.File{file}
		got := finish(t, host, after(cmd, "export LISTEN_FDS=1 LISTEN_PID=$$"))
		if want := "ebpftop: --listen systemd: " + want + "\n"; got.errOut != want {
			t.Errorf("said %q, want %q", got.errOut, want)
		}
	}
}

// TestServeOfSystemd is told by systemd's variables, and goes on when confined.
func TestServeOfSystemd(t *testing.T) {
	host, _ := pair(t)
	s := newServer(t, host, "--listen", "systemd")
	var file *os.File
	s.check(host.Do(func() error {
		listener, err := net.Listen("tcp", defaultListen)
		if err != nil {
			return err
		}
		defer listener.Close()
		file, err = listener.(*net.TCPListener).File()
		return err
	}))
	defer file.Close()
	s.cmd.ExtraFiles = []*os.File{file}
	s.cmd = after(s.cmd, "export LISTEN_FDS=1 LISTEN_PID=$$")
	s.check(host.Start(s.cmd))
	s.awaitReady()
	environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", supervisorOf(t, s.cmd.Process.Pid)))
	if s.check(err); bytes.Contains(environ, []byte("LISTEN_FDS")) {
		t.Errorf("the process at its side has it, too: %q", environ)
	}
	s.end()
}

// TestServeAlone runs with the capabilities of the unit, as a user that has no others, and tells
// systemd how it is.
func TestServeAlone(t *testing.T) {
	host, peer := pair(t)
	address := filepath.Join(t.TempDir(), "notify")
	socket, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	s := newServer(t, host)
	s.check(err)
	defer socket.Close()
	s.check(errors.Join(os.Chmod(address, 0o777), os.Chmod(filepath.Dir(address), 0o755), os.Chmod(filepath.Dir(filepath.Dir(address)), 0o755)))
	s.check(socket.SetReadDeadline(time.Now().Add(patience)))
	await := func(want string) {
		t.Helper()
		for buffer := make([]byte, 4096); ; {
			n, err := socket.Read(buffer)
			s.check(err)
			if string(buffer[:n]) == want {
				return
			}
		}
	}
	asNobody(t, s.cmd, confine.Serving)
	s.cmd.Env = append(s.cmd.Env, "NOTIFY_SOCKET="+address, "WATCHDOG_USEC=200000")
	s.check(host.Start(s.cmd))
	await("READY=1\n")
	await("WATCHDOG=1\n")
	awaitConfined(t, s.cmd.Process.Pid, confine.Serving...)
	s.check(peer.Inject("peer0", udpFrame(t, 4000)))
	s.awaitMetrics(map[string]float64{"ebpftop_interface_packets_total direction=rx interface=host0": 1})
	s.check(s.cmd.Process.Signal(syscall.SIGTERM))
	await("STOPPING=1\n")
	if status := status(t, s.cmd.Wait()); status != 0 {
		t.Errorf("ended with status %d, said %q", status, s.errOut.String())
	}
}

// TestAlerts plays the alerts that packages hold.
func TestAlerts(t *testing.T) {
	promtool := require(t, "promtool", "prometheus")
	if said, err := exec.Command(promtool, "test", "rules", packaging+"/prometheus/alerts_test.yml").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, said)
	}
}

// TestServeEnds by each signal, whatever clients do, before they are cut off for that, and frees
// the port.
func TestServeEnds(t *testing.T) {
	host, _ := pair(t)
	for _, signal := range []os.Signal{syscall.SIGTERM, syscall.SIGHUP, syscall.SIGINT} {
		s := serve(t, host)
		for _, sent := range []string{"", "GET /metr", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n", "GET /metrics HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"} {
			var conn net.Conn
			s.check(host.Do(func() (err error) { conn, err = net.Dial("tcp", defaultListen); return err }))
			defer conn.Close()
			_, err := io.WriteString(conn, sent)
			s.check(err)
		}
		begun := time.Now()
		s.check(s.cmd.Process.Signal(signal))
		if status := status(t, s.cmd.Wait()); status != 0 || s.errOut.Len() > 0 {
			t.Errorf("%v: ended with status %d, said %q", signal, status, s.errOut.String())
		}
		if took := time.Since(begun); took > 4*time.Second { // who sends no request is cut off after 5
			t.Errorf("%v: ended after %v, with its clients", signal, took)
		}
	}
}

// TestServeBeyondThisHost answers over TLS who has the password, once confined, and nobody else.
func TestServeBeyondThisHost(t *testing.T) {
	host, peer := pair(t)
	b := &bench{t: t}
	b.check(errors.Join(host.AddAddress("host0", "192.0.2.1/24"), peer.AddAddress("peer0", "192.0.2.2/24")))
	folder := t.TempDir()
	trusting := labtest.Certificate(t, folder, "192.0.2.1")
	hash, err := bcrypt.GenerateFromPassword([]byte("right"), bcrypt.MinCost)
	b.check(err)
	b.check(os.WriteFile(filepath.Join(folder, "web.yaml"), []byte(`
tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: TLS13}
basic_auth_users: {prometheus: `+string(hash)+`}
`), 0o600))
	const address = "192.0.2.1:9435"
	s := newServer(t, host, "--listen", address, "--web.config.file", filepath.Join(folder, "web.yaml"))
	b.check(host.Start(s.cmd))
	awaitLeftRoot(t, s.cmd.Process.Pid, confine.Serving...)
	client := clientIn(peer)
	client.Transport.(*http.Transport).TLSClientConfig = &tls.Config{RootCAs: trusting}
	ask := func(password string) (status int) {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+address+"/metrics", nil)
		b.check(err)
		request.SetBasicAuth("prometheus", password)
		b.await(func() error {
			response, err := client.Do(request)
			if err == nil {
				response.Body.Close()
				status = response.StatusCode
			}
			return err
		})
		return status
	}
	b.await(func() error {
		if status := ask("right"); status != http.StatusOK {
			return fmt.Errorf("status %d", status)
		}
		return nil
	})
	if status := ask("wrong"); status != http.StatusUnauthorized {
		t.Errorf("status %d with a wrong password", status)
	}
	s.end()
}
