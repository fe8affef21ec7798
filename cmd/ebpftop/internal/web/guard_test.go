package web

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// raw sends a request as it is written, and returns the answer.
func raw(t *testing.T, conn net.Conn, request string) *http.Response {
	t.Helper()
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

// TestRebinding: no page of somebody who has his name mean 127.0.0.1 reads what is served there,
// nor does one include it.
func TestRebinding(t *testing.T) {
	address, s := served(t, new(Config))
	s.Exporter.Take(&probes.Sample{}, nil)
	ask := func(network, address, host string, want int) *http.Response {
		t.Helper()
		response := raw(t, dial(t, network, address), "GET /metrics HTTP/1.1\r\nHost: "+host+"\r\nOrigin: http://evil.example\r\n\r\n")
		if response.StatusCode != want {
			t.Errorf("host %q at %s: status %d, want %d", host, address, response.StatusCode, want)
		}
		return response
	}
	for host, want := range map[string]int{
		"127.0.0.1:9435": 200, "localhost:9435": 200, "LocalHost": 200, "[::1]:9435": 200, "[::1]": 200, "192.0.2.1": 200, "": 200,
		"evil.example": 421, "evil.example:9435": 421, "127.0.0.1.evil.example": 421, "localhost.evil.example:80": 421,
	} {
		response := ask("tcp", address, host, want)
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "Cross-Origin-Resource-Policy": "same-origin",
			"Content-Security-Policy": "default-src 'none'", "Access-Control-Allow-Origin": "",
		} {
			if got := response.Header.Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
	}
	path := filepath.Join(t.TempDir(), "socket")
	start(t, &Server{Config: new(Config)}, "unix:"+path)
	ask("unix", path, "any", http.StatusServiceUnavailable) // no browser connects to it, and there is no sample yet
}

// TestGuessing: of wrong passwords from one network, others wait for none, and who was let in
// before does not either.
func TestGuessing(t *testing.T) {
	s := &Server{Config: &Config{Users: map[string][]byte{"prom": []byte(hashOf(t, "right"))}}, passwords: passwords{pause: time.Hour}}
	address := start(t, s, "127.0.0.1:0")
	s.Exporter.Take(&probes.Sample{}, nil)
	ask := func(password string) *http.Response {
		t.Helper()
		request, err := http.NewRequest(http.MethodGet, "http://"+address+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("prom", password)
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		response.Body.Close()
		return response
	}
	if got := ask("right"); got.StatusCode != http.StatusOK {
		t.Fatalf("status %d", got.StatusCode)
	}
	// One whose answer nobody awaits: it comes in an hour.
	if _, err := io.WriteString(dial(t, "tcp", address), "GET / HTTP/1.1\r\nHost: x\r\nAuthorization: Basic cHJvbTp3cm9uZw==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	for isAsking := false; !isAsking; {
		s.passwords.lock.Lock()
		isAsking = len(s.passwords.asking) > 0
		s.passwords.lock.Unlock()
	}
	if got := ask("wrong"); got.StatusCode != http.StatusTooManyRequests || !got.Close {
		t.Errorf("a second one: status %d, closed: %v", got.StatusCode, got.Close)
	}
	if got := ask("right"); got.StatusCode != http.StatusOK {
		t.Errorf("status %d while somebody guesses", got.StatusCode)
	}
}

// TestUnknownUsers: whether there is a user takes no other time to answer than that the password
// is wrong.
func TestUnknownUsers(t *testing.T) {
	const cheap, costly = "$2y$04$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi", "$2y$11$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"
	users := map[string][]byte{"a": []byte(cheap), "b": []byte(costly)}
	took := func(user string) (least time.Duration) {
		for i := range 3 {
			begun := time.Now()
			if new(passwords).isRight(users, user, "wrong") {
				t.Fatalf("%s is let in", user)
			}
			if now := time.Since(begun); i == 0 || now < least {
				least = now
			}
		}
		return least
	}
	if known, unknown := took("b"), took("x"); unknown < known/4 || known < unknown/4 { // 128 times are between the costs
		t.Errorf("%v of a user, %v of none", known, unknown)
	}
}

// TestHTTP1Only: no other protocol is spoken, by whatever way a client asks for it, and what the
// library answers by itself is guarded, too.
func TestHTTP1Only(t *testing.T) {
	folder := t.TempDir()
	trusting := labtest.Certificate(t, folder, "127.0.0.1")
	config, err := ReadConfig(write(t, folder, "web.yaml", withTLS+"basic_auth_users: {prom: "+hashOf(t, "right")+"}\n"))
	if err != nil {
		t.Fatal(err)
	}
	address, _ := served(t, config)
	conn, err := tls.Dial("tcp", address, &tls.Config{RootCAs: trusting, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got == "h2" {
		t.Errorf("speaks %s", got)
	}
	if response := raw(t, conn, "OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"); response.StatusCode != http.StatusUnauthorized {
		t.Errorf("OPTIONS: status %d", response.StatusCode)
	}
	plain, s := served(t, new(Config))
	s.Exporter.Take(&probes.Sample{}, nil)
	response := raw(t, dial(t, "tcp", plain), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")
	if response.ProtoMajor != 1 || response.StatusCode < 400 {
		t.Errorf("HTTP/2 without TLS: %v", response)
	}
}

// TestSmuggling: what one request hides of another one behind it is not answered.
func TestSmuggling(t *testing.T) {
	address, s := served(t, new(Config))
	s.Exporter.Take(&probes.Sample{}, nil)
	for _, head := range []string{
		"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", "Content-Length: 0\r\nContent-Length: 5\r\n",
		"Content-Length: -1\r\n", "Transfer-Encoding: xchunked\r\n", "Content-Length : 5\r\n", "A\r\n B: c\r\n", "Host: evil.example\r\n",
	} {
		conn := dial(t, "tcp", address)
		response := raw(t, conn, "POST /metrics HTTP/1.1\r\nHost: localhost\r\n"+head+"\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
		if response.StatusCode < 400 {
			t.Errorf("%q: status %d", head, response.StatusCode)
		}
		if rest, err := io.ReadAll(response.Body); err != nil || len(rest) > 100 {
			t.Errorf("%q: %s, %v", head, rest, err)
		}
	}
}

// TestCrowd: who holds connections open keeps nobody out.
func TestCrowd(t *testing.T) {
	address, s := served(t, new(Config))
	s.Exporter.Take(&probes.Sample{}, nil)
	var held []net.Conn
	for i := range 3 * mostConnections {
		conn := dial(t, "tcp", address)
		if held = append(held, conn); i%2 == 0 { // one that has been answered, and idles
			if response := raw(t, conn, "GET /-/ready HTTP/1.1\r\nHost: localhost\r\n\r\n"); response.StatusCode != http.StatusOK {
				t.Fatalf("connection %d: status %d", i, response.StatusCode)
			}
		}
	}
	if status, _ := get(t, new(http.Client), "http://"+address+"/metrics"); status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if err := held[0].SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(io.Discard, held[0]); err != nil {
		t.Errorf("the first one: %v, want that it was closed", err)
	}
}

// fakeConn is a connection from an address.
type fakeConn struct {
	net.Conn
	from   string
	once   sync.Once
	closed chan struct{}
}

func (c *fakeConn) RemoteAddr() net.Addr {
	return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(c.from))
}

func (c *fakeConn) Close() error { c.once.Do(func() { close(c.closed) }); return nil }

// TestCrowdOfOneNetwork: who has many addresses of one network cuts off his own connections, not
// those of others, however old these are.
func TestCrowdOfOneNetwork(t *testing.T) {
	c := crowd{most: 10}
	connect := func(from string) *fakeConn {
		conn := &fakeConn{from: from, closed: make(chan struct{})}
		c.note(conn, http.StateNew)
		return conn
	}
	others := []*fakeConn{connect("[2001:db8:1::1]:1"), connect("192.0.2.1:1"), connect("127.0.0.1:1"), connect("[::ffff:192.0.2.2]:1")}
	var first *fakeConn
	for i := range 1000 {
		if first != nil {
			c.note(first, http.StateActive) // which is no reason to stay
		}
		conn := connect(fmt.Sprintf("[2001:db8::%x]:1", i))
		if first == nil {
			first = conn
		}
	}
	for _, conn := range others {
		select {
		case <-conn.closed:
			t.Errorf("%s was cut off", conn.from)
		default:
		}
	}
	select {
	case <-first.closed:
	default:
		t.Error("the first of many was not")
	}
	c.note(others[0], http.StateIdle)
	if len(c.clients) != c.most {
		t.Errorf("%d are connected", len(c.clients))
	}
}
