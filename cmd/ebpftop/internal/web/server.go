package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/exporter"
	"github.com/ebpftop/ebpftop/probes"
)

// What one client, and all together, may take.
const (
	mostConnections = 64
	mostHeader      = 8 << 10 // bytes; the library adds 4 KiB
	headerPatience  = 5 * time.Second
	requestPatience = 10 * time.Second
	answerPatience  = 30 * time.Second
	idlePatience    = 2 * time.Minute
	endPatience     = 400 * time.Millisecond
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
	ErrOut   io.Writer     // where it is said what should not have happened

	passwords passwords
}

// Serve answers until ctx ends. It closes the listener.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	crowd := crowd{most: mostConnections}
	var protocols http.Protocols
	protocols.SetHTTP1(true) // what else there is, is more to get wrong
	server := &http.Server{
		Handler:           s.handler(isLoopback(listener)),
		MaxHeaderBytes:    mostHeader,
		ReadHeaderTimeout: headerPatience,
		ReadTimeout:       requestPatience,
		WriteTimeout:      answerPatience,
		IdleTimeout:       idlePatience,
		ConnState:         crowd.note,
		Protocols:         &protocols,
		// Of what clients do wrong, there is nobody to tell, and no end.
		ErrorLog: log.New(io.Discard, "", 0),

		DisableGeneralOptionsHandler: true, // which asks for no password
	}
	if s.Config.TLS != nil {
		listener = tls.NewListener(listener, s.Config.TLS)
	}
	ended := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(ended)
		soon, cancel := context.WithTimeout(context.Background(), endPatience)
		defer cancel()
		if server.Shutdown(soon) != nil {
			_ = server.Close() // slow clients are cut off
		}
	})
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		stop()
		return err
	}
	<-ended
	return nil
}

// reportPanics says that there was one, which a client survives by being cut off, and the process.
func (s *Server) reportPanics(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if value := recover(); value != nil {
				fmt.Fprintln(s.ErrOut, "ebpftop:", &probes.PanicError{Value: value})
				panic(http.ErrAbortHandler)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// handler has the guards that it takes, the outermost last.
func (s *Server) handler(onLoopback bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		answer(w, http.StatusOK, page)
	})
	mux.HandleFunc("GET /metrics", s.metrics)
	mux.HandleFunc("GET /-/healthy", s.healthy)
	mux.HandleFunc("GET /-/ready", s.ready)
	handler := http.Handler(mux)
	switch {
	case s.Config.Users != nil:
		handler = s.guardByPassword(handler)
	case onLoopback:
		handler = guardName(handler)
	}
	return http.MaxBytesHandler(s.reportPanics(guardAgainstBrowsers(handler)), 0)
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
	isPacked := strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	text := s.Exporter.Metrics(format, isPacked)
	if text == nil {
		answer(w, http.StatusServiceUnavailable, "there is no sample yet\n")
		return
	}
	header := w.Header()
	header.Set("Content-Type", format.ContentType())
	header.Set("Vary", "Accept, Accept-Encoding")
	header.Set("Content-Length", strconv.Itoa(len(text)))
	if isPacked {
		header.Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(text) // of a client that is gone, there is nobody to tell
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
