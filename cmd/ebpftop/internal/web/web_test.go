package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/exporter"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	path := filepath.Join(folder, name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

const withTLS = "tls_server_config: {cert_file: cert.pem, key_file: key.pem}\n"

// hashOf is the cheapest hash of a password.
func hashOf(t *testing.T, password string) string {
	t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	return string(hash)
}

// TestReadConfigRefuses what it does not understand, with the line and what to do.
func TestReadConfigRefuses(t *testing.T) {
	folder := t.TempDir()
	labtest.Certificate(t, folder, "127.0.0.1")
	write(t, folder, "empty.pem", "")
	setMode(t, write(t, folder, "open.pem", "x"), 0o644)
	setMode(t, write(t, folder, "everybodys.pem", "x"), 0o622)
	for text, want := range map[string]string{
		"x: 1":                 "web.yaml:1: this key is not known here: use basic_auth_users, tls_server_config",
		"http_server_config:":  "web.yaml:1: this key is not known here",
		"tls_server_config: x": "web.yaml:1: a word where a mapping belongs",
		"tls_server_config: {cert_file: cert.pem}":                                                                        "web.yaml:1: TLS takes a cert_file and a key_file: name both",
		"tls_server_config: {cert_file: missing.pem, key_file: key.pem}":                                                  "web.yaml:1: cert_file: open " + folder + "/missing.pem: no such file or directory",
		"tls_server_config: {cert_file: cert.pem, key_file: empty.pem}":                                                   "web.yaml:1: cert_file and key_file: ",
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, min_version: TLS10}":                                 "web.yaml:1: this value is not known here: use TLS12 or TLS13",
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_ca_file: cert.pem}":                           "web.yaml:1: client_ca_file and client_auth_type: RequireAndVerifyClientCert go together: write both",
		"tls_server_config: {cert_file: cert.pem, key_file: key.pem, client_auth_type: RequestClientCert}":                "web.yaml:1: this value is not known here: use NoClientCert or RequireAndVerifyClientCert",
		strings.TrimSuffix(withTLS, "}\n") + ", client_ca_file: empty.pem, client_auth_type: RequireAndVerifyClientCert}": "web.yaml:1: client_ca_file: there is no certificate in it",
		withTLS + "basic_auth_users: {}":                                                                                  "web.yaml:2: there is no user: write USER: HASH, or leave it out",
		withTLS + "basic_auth_users:\n  prom: secret":                                                                     "web.yaml:3: this is no password's hash by bcrypt: make one by `htpasswd -nB USER`",
		withTLS + "basic_auth_users:\n  prom: $2y$15$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi":               "web.yaml:3: this hash takes too long to check: make one of a cost up to 14",
		"tls_server_config: {cert_file: cert.pem, key_file: open.pem}":                                                    "web.yaml:1: key_file: everybody may read " + folder + "/open.pem (mode 0644): chmod o-r it",
		"tls_server_config: {cert_file: everybodys.pem, key_file: key.pem}":                                               "web.yaml:1: cert_file: everybody may write to " + folder + "/everybodys.pem (mode 0622): chmod o-w it",
		"tls_server_config: {cert_file: ., key_file: key.pem}":                                                            "web.yaml:1: cert_file: " + folder + " is not a regular file",
		"a: [": "not YAML: ",
	} {
		_, err := ReadConfig(write(t, folder, "web.yaml", text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	if _, err := ReadConfig(folder + "/none.yaml"); err == nil {
		t.Error("a missing file is read")
	}
	if _, err := ReadConfig(write(t, folder, "large.yaml", strings.Repeat("#\n", maxConfigSize))); err == nil {
		t.Error("a large file is read")
	}
	users := write(t, folder, "users.yaml", withTLS+"basic_auth_users: {prom: "+hashOf(t, "right")+"}\n")
	setMode(t, users, 0o644)
	if _, err := ReadConfig(users); err == nil || !strings.Contains(err.Error(), "everybody may read "+users) {
		t.Errorf("hashes that everybody may read: %v", err)
	}
	pipe := filepath.Join(folder, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadConfig(pipe); err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("a pipe: %v", err)
	}
}

func setMode(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// TestIsGuarded: TLS alone keeps nobody out, a password alone tells it to all on the way.
func TestIsGuarded(t *testing.T) {
	folder := t.TempDir()
	labtest.Certificate(t, folder, "127.0.0.1")
	users := "basic_auth_users: {prom: " + hashOf(t, "right") + "}\n"
	for text, want := range map[string]bool{
		"": false, withTLS: false, users: false, withTLS + users: true,
		strings.TrimSuffix(withTLS, "}\n") + ", client_ca_file: cert.pem, client_auth_type: RequireAndVerifyClientCert}": true,
	} {
		c, err := ReadConfig(write(t, folder, "web.yaml", text))
		if err != nil || c.IsGuarded() != want {
			t.Errorf("%q: %+v, %v, want %v", text, c, err, want)
		}
	}
}

// served starts a server for the test, and returns its address.
func served(t *testing.T, config *Config) (address string, s *Server) {
	t.Helper()
	s = &Server{Config: config, passwords: passwords{pause: time.Millisecond}}
	return start(t, s, "127.0.0.1:0"), s
}

// start starts a server, which ends with the test.
func start(t *testing.T, s *Server, at string) (address string) {
	t.Helper()
	listener, err := Listen(at)
	if err != nil {
		t.Fatal(err)
	}
	s.Exporter, s.Interval, s.ErrOut = exporter.New(exporter.Build{}, 5), time.Second, t.Output()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, listener) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return listener.Addr().String()
}

func get(t *testing.T, client *http.Client, url string, header ...string) (status int, body string) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		request.Header.Set(header[i], header[i+1])
	}
	response, err := client.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// TestReady only once there is a sample of what is all attached.
func TestReady(t *testing.T) {
	address, s := served(t, new(Config))
	want := func(path string, status int) {
		t.Helper()
		if got, body := get(t, http.DefaultClient, "http://"+address+path); got != status {
			t.Errorf("%s: status %d, want %d: %s", path, got, status, body)
		}
	}
	want("/", http.StatusOK)
	want("/metrics", http.StatusServiceUnavailable)
	want("/-/ready", http.StatusServiceUnavailable)
	want("/-/healthy", http.StatusOK)
	s.Exporter.Take(&probes.Sample{Attaching: probes.Progress{Done: 1, All: 2}}, nil)
	want("/metrics", http.StatusOK)
	want("/-/ready", http.StatusServiceUnavailable)
	s.Exporter.Take(&probes.Sample{}, nil)
	want("/-/ready", http.StatusOK)
	want("/nosuch", http.StatusNotFound)
	if response, err := http.Post("http://"+address+"/metrics", "", nil); err != nil || response.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("POST: %v, %v", response, err)
	}
	if _, body := get(t, http.DefaultClient, "http://"+address+"/metrics", "Accept", "application/openmetrics-text;version=1.0.0"); !strings.HasSuffix(body, "# EOF\n") {
		t.Errorf("no OpenMetrics: %s", body)
	}
}

// TestSlowClients take nothing from others: those that send a bit of a request, those that
// read no answer, and those that send more than is read.
func TestSlowClients(t *testing.T) {
	address, s := served(t, new(Config))
	rows := make([]probes.Interface, 20000) // an answer that is larger than what sockets buffer
	for i := range rows {
		rows[i] = probes.Interface{Name: fmt.Sprint("veth", i), Ifindex: i, Hook: probes.HookTC}
	}
	s.Exporter.Take(&probes.Sample{Interfaces: rows}, nil)
	for i, sent := range []string{"", "GET /met", "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n"} {
		for range 5 {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, sent); err != nil {
				t.Fatal(i, err)
			}
		}
	}
	s.Exporter.Take(&probes.Sample{Interfaces: rows[:1]}, nil) // nobody holds the lock
	if status, _ := get(t, http.DefaultClient, "http://"+address+"/-/ready"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nX: "+strings.Repeat("x", 64<<10)+"\r\n\r\n")
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || response.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
		t.Errorf("of a large header: %v, %v", response, err)
	}
}

// TestPasswords are asked for over TLS, each time.
func TestPasswords(t *testing.T) {
	folder := t.TempDir()
	trusting := labtest.Certificate(t, folder, "127.0.0.1")
	config, err := ReadConfig(write(t, folder, "web.yaml", withTLS+"basic_auth_users: {prom: "+hashOf(t, "right")+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	address, s := served(t, config)
	s.Exporter.Take(&probes.Sample{}, nil)
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusting}}}
	for _, test := range []struct {
		user, password string
		want           int
	}{
		{"prom", "wrong", 401}, {"nobody", "right", 401}, {"", "", 401}, {"prom", "right", 200},
		{"prom", "right", 200}, {"prom", "wrong", 401}, {"nobody", "right", 401},
	} {
		for _, path := range []string{"/metrics", "/", "/-/ready"} {
			request, err := http.NewRequest(http.MethodGet, "https://"+address+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if test.user != "" {
				request.SetBasicAuth(test.user, test.password)
			}
			response, err := client.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != test.want {
				t.Errorf("%s by %s, %s: status %d, want %d", path, test.user, test.password, response.StatusCode, test.want)
			}
		}
	}
	if response, err := http.Get("http://" + address + "/metrics"); err == nil && response.StatusCode == http.StatusOK {
		t.Error("it is told without TLS, too")
	}
}

func dial(t *testing.T, network, address string) net.Conn {
	t.Helper()
	conn, err := net.Dial(network, address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// TestListenUnix takes the place of a socket that nobody listens at, and of nothing else.
func TestListenUnix(t *testing.T) {
	path := filepath.Join(t.TempDir(), "socket")
	for range 2 { // the first one leaves it there
		listener, err := Listen("unix:" + path)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o660 || !IsPrivate(listener) {
			t.Errorf("%v, %v", info, err)
		}
		if _, err := Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "the socket is taken") {
			t.Errorf("a second one: %v", err)
		}
		listener.Close()
	}
	file := write(t, t.TempDir(), "file", "")
	if _, err := Listen("unix:" + file); err == nil || !strings.Contains(err.Error(), "no socket") {
		t.Errorf("in the place of a file: %v", err)
	}
	full := filepath.Join(t.TempDir(), "full")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrUnix{Name: full}), unix.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	dial(t, "unix", full) // for which there is room
	if _, err := Listen("unix:" + full); err == nil || !strings.Contains(err.Error(), "the socket is taken") {
		t.Errorf("where too many wait: %v", err)
	}
}
