package web

import (
	"cmp"
	"crypto/sha256"
	"crypto/subtle"
	"maps"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// guardAgainstBrowsers has them do nothing with answers but show them.
func guardAgainstBrowsers(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("X-Content-Type-Options", "nosniff")
		next.ServeHTTP(w, r)
	})
}

// guardName answers who asks for this host by an address, or as localhost. Because whoever has a
// name of his own can have it mean 127.0.0.1, pages of his could else read what is served here,
// in a browser on this host.
func guardName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = strings.Trim(r.Host, "[]") // without a port
		}
		if _, err := netip.ParseAddr(host); err != nil && host != "" && !strings.EqualFold(host, "localhost") {
			answer(w, http.StatusMisdirectedRequest, "ask for 127.0.0.1 or localhost: another name could be anybody's\n")
			return
		}
		next.ServeHTTP(w, r)
	})
}

// guardByPassword asks for a password. Who has none is not connected for longer than it takes
// to say so.
func (s *Server) guardByPassword(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusUnauthorized
		if user, password, isThere := r.BasicAuth(); isThere {
			status = s.passwords.check(r, s.Config.Users, user, password)
		}
		switch header := w.Header(); status {
		case http.StatusOK:
			next.ServeHTTP(w, r)
		case http.StatusTooManyRequests:
			header.Set("Connection", "close")
			header.Set("Retry-After", "1")
			answer(w, status, "another password from there is being checked\n")
		default:
			header.Set("Connection", "close")
			header.Set("WWW-Authenticate", "Basic")
			answer(w, status, "a user and a password are needed\n")
		}
	})
}

// wrongPause is how long who had a wrong password waits for the answer.
const wrongPause = time.Second

// passwords checks passwords, one after the other, because each takes a core for a tenth of a
// second, and from one network one in a second while they are wrong. Who was let in last by each
// name is let in again at once.
type passwords struct {
	pause time.Duration // in place of wrongPause

	checking sync.Mutex
	lock     sync.Mutex
	good     map[string][sha256.Size]byte // by user
	asking   map[netip.Prefix]bool
}

// check returns the status that a password leads to.
func (p *passwords) check(r *http.Request, users map[string][]byte, user, password string) int {
	digest := sha256.Sum256([]byte(password))
	if p.wasRight(user, digest) {
		return http.StatusOK
	}
	network := networkOf(r.RemoteAddr)
	if !p.begin(network) {
		return http.StatusTooManyRequests
	}
	defer p.end(network)
	if p.isRight(users, user, password) {
		p.lock.Lock()
		defer p.lock.Unlock()
		p.good[user] = digest
		return http.StatusOK
	}
	select {
	case <-time.After(cmp.Or(p.pause, wrongPause)):
	case <-r.Context().Done(): // it has gone
	}
	return http.StatusUnauthorized
}

// isRight takes as long where there is no such user.
func (p *passwords) isRight(users map[string][]byte, user, password string) bool {
	hash, isThere := users[user]
	if !isThere {
		hash = slices.MaxFunc(slices.Collect(maps.Values(users)), func(a, b []byte) int { return cmp.Compare(costOf(a), costOf(b)) })
	}
	p.checking.Lock()
	defer p.checking.Unlock()
	return bcrypt.CompareHashAndPassword(hash, []byte(password)) == nil && isThere
}

func costOf(hash []byte) int {
	cost, _ := bcrypt.Cost(hash) // ReadConfig has asked already
	return cost
}

func (p *passwords) wasRight(user string, digest [sha256.Size]byte) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	good, isThere := p.good[user]
	return isThere && subtle.ConstantTimeCompare(good[:], digest[:]) == 1
}

// begin tells whether there was nobody else of a network.
func (p *passwords) begin(network netip.Prefix) bool {
	p.lock.Lock()
	defer p.lock.Unlock()
	if p.asking[network] {
		return false
	}
	if p.asking == nil {
		p.asking, p.good = make(map[netip.Prefix]bool), make(map[string][sha256.Size]byte)
	}
	p.asking[network] = true
	return true
}

func (p *passwords) end(network netip.Prefix) {
	p.lock.Lock()
	defer p.lock.Unlock()
	delete(p.asking, network)
}
