package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"testing"
	"time"
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
	program, err := exec.LookPath("prometheus")
	if err != nil {
		s.t.Skip("needs prometheus (Debian calls it so)")
	}
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

// query returns what an expression comes to, of one series.
func (p *prometheus) query(expression string) (value float64, err error) {
	response, err := p.client.Get("http://" + prometheusAddress + "/api/v1/query?query=" + url.QueryEscape(expression))
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	var answer struct {
		Data struct{ Result []struct{ Value []any } }
	}
	if response.StatusCode != http.StatusOK {
		return 0, errors.New(response.Status)
	}
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Result) != 1 {
		return 0, fmt.Errorf("%s: %d series", expression, len(answer.Data.Result))
	}
	return strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
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
	want := o.until(func(o sample) bool { return len(o.CrossConnects) == 1 && o.CrossConnects[0].AToB.Packets == 50 })
	p.awaitQuery(`up{job="ebpftop"}`, 1)
	p.awaitQuery(`ebpftop_cross_connect_packets_total{from="sw0", to="sw1"}`, float64(want.CrossConnects[0].AToB.Packets))
	p.awaitQuery(`ebpftop_cross_connect_bytes_total{from="sw0", to="sw1"}`, float64(want.CrossConnects[0].AToB.Bytes))
	for _, i := range want.Interfaces {
		p.awaitQuery(fmt.Sprintf(`ebpftop_interface_packets_total{interface=%q, direction="rx"}`, i.Name), float64(i.RXPackets))
		p.awaitQuery(fmt.Sprintf(`ebpftop_interface_packets_total{interface=%q, direction="tx"}`, i.Name), float64(i.TXPackets))
	}
	p.awaitQuery(`count(ALERTS{alertname="CrossConnectDown"}) or vector(0)`, 0)
	b.check(b.hub.DeleteLink(port(1)))
	p.awaitQuery(`count(ALERTS{alertname="CrossConnectDown", alertstate="firing", health="waiting"})`, 1)
	b.run("del", port(0))
	p.awaitQuery(`count(ALERTS{alertname="CrossConnectDown"}) or vector(0)`, 0)
	s.end()
	p.awaitQuery(`ALERTS{alertname="EbpftopDown", alertstate="firing"}`, 1)
}
