package web

import (
	"compress/gzip"
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
	"golang.org/x/net/netutil"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/exporter"
)

// What one client, and all together, may take.
const (
	mostConnections = 64
	mostHeader      = 8 << 10 // bytes; the library adds 4 KiB
	headerPatience  = 5 * time.Second
	requestPatience = 10 * time.Second
	answerPatience  = 30 * time.Second
	idlePatience    = 2 * time.Minute
	endPatience     = 500 * time.Millisecond
)

// staleAfter is how old the latest sample may be, beyond the interval between them, before
// ebpftop is no longer healthy.
const staleAfter = 10 * time.Second

// Server answers what is asked of an exporter. Whatever a client does, it keeps nobody from
// taking samples: what it gets is made before the first byte is sent.
type Server struct {
	Exporter *exporter.Exporter
	Config   *Config
	Interval time.Duration // between samples

	passwords passwords
}

// Serve answers until ctx ends. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	listener = netutil.LimitListener(listener, mostConnections)
	if s.Config.TLS != nil {
		listener = tls.NewListener(listener, s.Config.TLS)
	}
	server := &http.Server{
		Handler:           s.handler(),
		MaxHeaderBytes:    mostHeader,
		ReadHeaderTimeout: headerPatience,
		ReadTimeout:       requestPatience,
		WriteTimeout:      answerPatience,
		IdleTimeout:       idlePatience,
		// Of what clients do wrong, there is nobody to tell, and no end.
		ErrorLog: log.New(io.Discard, "", 0),
	}
	defer context.AfterFunc(ctx, func() {
		soon, cancel := context.WithTimeout(context.Background(), endPatience)
		defer cancel()
		if server.Shutdown(soon) != nil {
			_ = server.Close() // slow clients are cut off
		}
	})()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		answer(w, http.StatusOK, page)
	})
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /-/healthy", s.healthy)
	mux.HandleFunc("GET /-/ready", s.ready)
	return http.MaxBytesHandler(s.guard(mux), 0)
}

// page is what a browser shows.
const page = `<!doctype html>
<title>ebpftop</title>
<h1>ebpftop</h1>
<p><a href="/metrics">Metrics</a>, <a href="/-/healthy">healthy</a>, <a href="/-/ready">ready</a></p>
`

// answer writes a short answer. Of a client that is gone, there is nobody to tell.
func answer(w http.ResponseWriter, status int, text string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	format := exporter.Text
	if strings.Contains(r.Header.Get("Accept"), "application/openmetrics-text") {
		format = exporter.OpenMetrics
	}
	text := s.Exporter.Metrics(format)
	if text == nil {
		answer(w, http.StatusServiceUnavailable, "there is no sample yet\n")
		return
	}
	header := w.Header()
	header.Set("Content-Type", format.ContentType())
	header.Set("Vary", "Accept, Accept-Encoding")
	if !strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		header.Set("Content-Length", strconv.Itoa(len(text)))
		_, _ = w.Write(text)
		return
	}
	header.Set("Content-Encoding", "gzip")
	packed := gzip.NewWriter(w)
	_, _ = packed.Write(text)
	_ = packed.Close()
}

// IsHealthy tells whether samples still come.
func (s *Server) IsHealthy() bool {
	age, isAny := s.Exporter.Age()
	return !isAny || age <= s.Interval+staleAfter
}

func (s *Server) healthy(w http.ResponseWriter, _ *http.Request) {
	if !s.IsHealthy() {
		answer(w, http.StatusServiceUnavailable, "samples come no more\n")
		return
	}
	answer(w, http.StatusOK, "healthy\n")
}

// ready tells whether everything is attached.
func (s *Server) ready(w http.ResponseWriter, _ *http.Request) {
	if !s.Exporter.IsReady() {
		answer(w, http.StatusServiceUnavailable, "still attaching\n")
		return
	}
	answer(w, http.StatusOK, "ready\n")
}

// guard asks for a password, if there are users.
func (s *Server) guard(next http.Handler) http.Handler {
	if s.Config.Users == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok || !s.passwords.areRight(s.Config.Users, user, password) {
			w.Header().Set("WWW-Authenticate", "Basic")
			answer(w, http.StatusUnauthorized, "a user and a password are needed\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// passwords checks passwords, one after the other, because each takes a core for a tenth of a
// second. Who was let in last by each name is let in again at once.
type passwords struct {
	checking sync.Mutex
	lock     sync.Mutex
	good     map[string][sha256.Size]byte // by user
}

// nobodysHash is compared with where there is no such user, so that this takes as long.
const nobodysHash = "$2y$10$QOauhQNbBCuQDKes6eFzPeMqBSjb7Mr5DUmpZ/VcEd00UAV/LDeSi"

func (p *passwords) areRight(users map[string][]byte, user, password string) bool {
	digest := sha256.Sum256([]byte(password))
	if p.wereRight(user, digest) {
		return true
	}
	p.checking.Lock()
	defer p.checking.Unlock()
	hash, isThere := users[user]
	if !isThere {
		hash = []byte(nobodysHash)
	}
	if bcrypt.CompareHashAndPassword(hash, []byte(password)) != nil || !isThere {
		return false
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.good == nil {
		p.good = make(map[string][sha256.Size]byte)
	}
	p.good[user] = digest
	return true
}

func (p *passwords) wereRight(user string, digest [sha256.Size]byte) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	good, ok := p.good[user]
	return ok && subtle.ConstantTimeCompare(good[:], digest[:]) == 1
}
