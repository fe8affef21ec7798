package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
)

// prometheus is a running Prometheus in the namespace of a server, which it asks once a second.
type prometheus struct {
	*server
	cmd *exec.Cmd
}

// prometheusAddress is where it is asked itself.
const prometheusAddress = "127.0.0.1:9090"

// startPrometheus has it know the alerts of packages, which do not wait.
func startPrometheus(s *server) *prometheus {
	s.t.Helper()
	program := require(s.t, "prometheus", "prometheus")
	alerts, err := os.ReadFile(packaging + "/prometheus/alerts.yml")
	s.check(err)
	folder := s.t.TempDir()
	for name, text := range map[string]string{
		"alerts.yml": regexp.MustCompile(`for: \d+m`).ReplaceAllString(string(alerts), "for: 0s"),
		"prometheus.yml": `
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [alerts.yml]
scrape_configs:
  - job_name: ebpftop
    static_configs: [{targets: ["` + defaultListen + `"]}]
`,
	} {
		s.check(os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	p := &prometheus{s, exec.CommandContext(s.t.Context(), program, "--config.file="+filepath.Join(folder, "prometheus.yml"),
		"--storage.tsdb.path="+filepath.Join(folder, "data"), "--web.listen-address="+prometheusAddress)}
	s.check(s.in.Start(p.cmd))
	s.t.Cleanup(func() {
		_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = p.cmd.Wait()
	})
	return p
}

// queryAll returns what an expression comes to, of each series.
func (p *prometheus) queryAll(expression string) (values []string, err error) {
	response, err := p.client.Get("http://" + prometheusAddress + "/api/v1/query?query=" + url.QueryEscape(expression))
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	var answer struct {
		Error string
		Data  struct{ Result []struct{ Value []any } }
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s, %s", expression, response.Status, answer.Error)
	}
	for _, series := range answer.Data.Result {
		values = append(values, series.Value[1].(string))
	}
	return values, nil
}

// query returns what an expression comes to, of one series.
func (p *prometheus) query(expression string) (value float64, err error) {
	values, err := p.queryAll(expression)
	if err != nil {
		return 0, err
	}
	if len(values) != 1 {
		return 0, fmt.Errorf("%s: %d series", expression, len(values))
	}
	return strconv.ParseFloat(values[0], 64)
}

func (p *prometheus) awaitQuery(expression string, want float64) {
	p.t.Helper()
	p.await(func() error {
		got, err := p.query(expression)
		if err == nil && got != want {
			err = fmt.Errorf("%s is %v, want %v", expression, got, want)
		}
		time.Sleep(50 * time.Millisecond) // it has other things to do
		return err
	})
}

// runDashboard runs each query of the dashboard that packages hold. Each has an answer, but for
// those of what there is not here.
func (p *prometheus) runDashboard() {
	p.t.Helper()
	text, err := os.ReadFile(packaging + "/prometheus/dashboard.json")
	p.check(err)
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	p.check(json.Unmarshal(text, &dashboard))
	queries := 0
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			queries++
			expression := strings.NewReplacer("$__rate_interval", "10s", "$instance", ".*").Replace(target.Expr)
			mayBeEmpty := regexp.MustCompile("_trial_end_|_cross_connect_errors_|_exec_failures_").MatchString(expression)
			p.await(func() error {
				values, err := p.queryAll(expression)
				if err == nil && len(values) == 0 && !mayBeEmpty {
					err = fmt.Errorf("%s: nothing for %s", panel.Title, expression)
				}
				return err
			})
		}
	}
	if queries < 20 {
		p.t.Errorf("%d queries in the dashboard", queries)
	}
}

// TestPrometheusQuality compares what it knows of a TCP connection with stats: whose it is, how
// much it carried, and how well, after its peer has fallen silent.
func TestPrometheusQuality(t *testing.T) {
	host, peer := pair(t)
	b := &bench{t: t}
	b.check(errors.Join(host.AddAddress("host0", "192.0.2.1/24"), peer.AddAddress("peer0", "192.0.2.2/24")))
	s := serve(t, host, "-i", "host0") // and not what asks it
	p := startPrometheus(s)
	o := openStats(t, host, "-i", "host0")
	var listener net.Listener
	var conn net.Conn
	b.check(peer.Do(func() (err error) { listener, err = net.Listen("tcp", "192.0.2.2:5000"); return err }))
	defer listener.Close()
	b.check(host.Do(func() (err error) { conn, err = net.Dial("tcp", "192.0.2.2:5000"); return err }))
	_, err := conn.Write(make([]byte, 1000))
	b.check(err)
	p.awaitQuery(`ebpftop_connections{protocol="tcp", state="established"}`, 1)
	b.check(peer.Do(func() error { // so it takes segments for somebody else's
		link, err := netlink.LinkByName("peer0")
		if err != nil {
			return err
		}
		return netlink.AddrDel(link, &netlink.Addr{IPNet: &net.IPNet{IP: net.IPv4(192, 0, 2, 2), Mask: net.CIDRMask(24, 32)}})
	}))
	_, err = conn.Write(make([]byte, 100))
	b.check(err)
	var all struct {
		Owners []struct {
			TXBytes     uint64 `json:"tx_bytes"`
			Retransmits uint64
		}
	}
	sum := func() (sent, again uint64) {
		o.next()
		o.decode(&all)
		for _, owner := range all.Owners {
			sent, again = sent+owner.TXBytes, again+owner.Retransmits
		}
		return sent, again
	}
	b.await(func() error {
		if _, again := sum(); again < 2 {
			return fmt.Errorf("%d segments sent again", again)
		}
		return nil
	})
	b.check(errors.Join(conn.(*net.TCPConn).SetLinger(0), conn.Close())) // nothing more is sent after that
	o.until(func(o sample) bool {
		return len(o.Connections) == 1 && o.Connections[0].State == "closed"
	})
	sent, again := sum()
	p.awaitQuery(`sum(ebpftop_owner_bytes_total{direction="tx"})`, float64(sent))
	p.awaitQuery(`sum(ebpftop_owner_retransmitted_segments_total)`, float64(again))
	command, err := os.ReadFile("/proc/self/comm")
	b.check(err)
	p.awaitQuery(fmt.Sprintf(`ebpftop_owner_retransmitted_segments_total{command=%q}`, strings.TrimSpace(string(command))), float64(again))
	p.awaitQuery(`ebpftop_tcp_round_trip_seconds_count > bool 0`, 1)
	p.awaitQuery(`histogram_quantile(0.5, ebpftop_tcp_round_trip_seconds_bucket) < bool 1`, 1)
	s.end()
}

// TestPrometheus asks a real one, which asks serve, and compares with stats. An alert comes when
// a pair's device goes.
func TestPrometheus(t *testing.T) {
	b := newBench(t, 2)
	s := serve(t, b.hub)
	p := startPrometheus(s)
	b.run("add", port(0), port(1))
	o := openStats(t, b.hub)
	s.awaitMetrics(map[string]float64{"ebpftop_cross_connect_health a=sw0 b=sw1 health=up": 1})
	frame := numbered(0, 100)
	for range 50 {
		b.check(b.wires[0].Send(frame))
	}
	o.until(func(o sample) bool { return len(o.CrossConnects) == 1 && o.CrossConnects[0].AToB.Packets == 50 })
	want := o.next() // not all of the one before was read after the last frame
	p.awaitQuery(`up{job="ebpftop"}`, 1)
	p.awaitQuery(`ebpftop_cross_connect_packets_total{from="sw0", to="sw1"}`, float64(want.CrossConnects[0].AToB.Packets))
	p.awaitQuery(`ebpftop_cross_connect_bytes_total{from="sw0", to="sw1"}`, float64(want.CrossConnects[0].AToB.Bytes))
	for _, i := range want.Interfaces {
		p.awaitQuery(fmt.Sprintf(`ebpftop_interface_packets_total{interface=%q, direction="rx"}`, i.Name), float64(i.RXPackets))
		p.awaitQuery(fmt.Sprintf(`ebpftop_interface_packets_total{interface=%q, direction="tx"}`, i.Name), float64(i.TXPackets))
	}
	b.check(b.wires[0].Send(udpFrame(t, 4000))) // so that there is a connection
	p.runDashboard()
	p.awaitQuery(`count(ALERTS{alertname="CrossConnectDown"}) or vector(0)`, 0)
	b.check(b.hub.DeleteLink(port(1)))
	p.awaitQuery(`count(ALERTS{alertname="CrossConnectDown", alertstate="firing", health="waiting"})`, 1)
	b.run("del", port(0))
	p.awaitQuery(`count(ALERTS{alertname="CrossConnectDown"}) or vector(0)`, 0)
	s.end()
	p.awaitQuery(`ALERTS{alertname="EbpftopDown", alertstate="firing"}`, 1)
}
