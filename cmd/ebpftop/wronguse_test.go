package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	libcap "kernel.org/pub/linux/libs/security/libcap/cap"

	"github.com/ebpftop/ebpftop/probes/confine"
)

// wrongUses are what people type that cannot be done, and the whole line they get. None gets
// as far as to the kernel.
var wrongUses = []struct{ args, line string }{
	{"statz", "unknown command \"statz\": did you mean `ebpftop stats`?"},
	{"stat", "unknown command \"stat\": did you mean `ebpftop stats`?"},
	{"lo", "\"lo\" is an interface: did you mean `ebpftop -i lo`?"},
	{"-- --interval 1s", "unknown command \"--interval\": `ebpftop --help` lists those there are"},
	{"--version now", "unknown command \"now\": `ebpftop --help` lists those there are"},
	{"help nosuch", "unknown command \"nosuch\": `ebpftop --help` lists those there are"},
	{"help xconnect nosuch", "unknown command \"xconnect nosuch\": `ebpftop --help` lists those there are"},
	{"xconnect help nosuch", "unknown command \"nosuch\": `ebpftop xconnect --help` lists those there are"},
	{"xconnect nosuch", "unknown command \"nosuch\": `ebpftop xconnect --help` lists those there are"},
	{"xconnect ad", "unknown command \"ad\": did you mean `ebpftop xconnect add`?"},
	{"xconnect eth0 eth1", "unknown command \"eth0\": `ebpftop xconnect --help` lists those there are"},

	{"zzz", "unknown command \"zzz\": `ebpftop --help` lists those there are"},
	{"--interfce eth0", "unknown flag --interfce: did you mean --interface?"},
	{"stats --cuont 1", "unknown flag --cuont: did you mean --count?"},
	{"--nosuch", "unknown flag --nosuch: `ebpftop --help` lists those there are"},
	{"-x", "unknown flag -x: `ebpftop --help` lists those there are"},
	{"stats --links f", "unknown flag --links: `ebpftop stats --help` lists those there are"},
	{"xconnect list -f x", "unknown flag -f: `ebpftop xconnect list --help` lists those there are"},
	{"---", "\"---\" is no flag: `ebpftop --help` lists those there are"},
	{"--interval", "--interval needs a value: --interval TIME"},
	{"-i", "-i needs a value: -i NAME"},
	{"--links", "--links needs a value: --links FILE"},
	{"stats --filter prot:udp", "--filter: prot: is not known: did you mean proto?"},
	{"stats --filter port:http", "--filter: port \"http\": use a number from 1 to 65535"},
	{"--theme neon", "--theme \"neon\": use terminal, dark, light, high-contrast or mono"},
	{"stats --units miles", "--units \"miles\": use bits, bytes, bits-iec or bytes-iec"},
	{"stats --filter", "--filter needs a value: --filter WORDS"},
	{"xconnect add a b --trial", "--trial needs a value: --trial TIME"},
	{"xconnect apply -f", "-f needs a value: -f FILE"},

	{"--interval 5", `--interval "5": use a time with its unit, such as 500ms, 5s or 2m`},
	{"--interval x", `--interval "x": use a time with its unit, such as 500ms, 5s or 2m`},
	{"--interval=", `--interval "": use a time with its unit, such as 500ms, 5s or 2m`},
	{"--interval 99999999999h", `--interval "99999999999h": use a time with its unit, such as 500ms, 5s or 2m`},
	{"--interval 1s --interval x", `--interval "x": use a time with its unit, such as 500ms, 5s or 2m`},
	{"--interval -1s", "--interval -1s: use 50ms to 1h"},
	{"--interval 0", "--interval 0s: use 50ms to 1h"},
	{"--interval 2h", "--interval 2h0m0s: use 50ms to 1h"},
	{"stats --interval 1ns", "--interval 1ns: use 50ms to 1h"},
	{"--hook fast", `--hook: unknown hook "fast": use auto, tracepoint, xdp, xdp-generic, tc or clsact`},
	{"--hook=", `--hook: unknown hook "": use auto, tracepoint, xdp, xdp-generic, tc or clsact`},
	{"--hook TC", `--hook: unknown hook "TC": use auto, tracepoint, xdp, xdp-generic, tc or clsact`},
	{"--port http", `--port "http": use numbers from 1 to 65535, such as 443 or 80,443`},
	{"--port 80-90", `--port "80-90": use numbers from 1 to 65535, such as 443 or 80,443`},
	{"--port=", `--port "": use numbers from 1 to 65535, such as 443 or 80,443`},
	{"--port 80 --port x", `--port "x": use numbers from 1 to 65535, such as 443 or 80,443`},
	{"--port 99999999999999999999", `--port "99999999999999999999": use numbers from 1 to 65535, such as 443 or 80,443`},
	{"--port 0", "--port 0: use a port from 1 to 65535"},
	{"--port -1", "--port -1: use a port from 1 to 65535"},
	{"stats --port 65536", "--port 65536: use a port from 1 to 65535"},
	{"--max-connections 0", "--max-connections 0: use 1 to 4194304"},
	{"--max-connections 5000000", "--max-connections 5000000: use 1 to 4194304"},
	{"--max-connections -1", `--max-connections "-1": use a whole number from 1 on`},
	{"--max-connections 64k", `--max-connections "64k": use a whole number from 1 on`},
	{"--max-connections 4294967296", `--max-connections "4294967296": the number is too large: use a smaller one`},
	{"--idle tcp", `--idle "tcp": use NAME=TIME, such as tcp=5m`},
	{"--idle=", `--idle "": use NAME=TIME, such as tcp=5m`},
	{"--idle x=1s", `--idle "x": use closed, other or tcp`},
	{"--idle tcp=5", `--idle tcp="5": use a time such as 90s, or 0 for never`},
	{"--idle tcp=-1s", `--idle tcp="-1s": use a time such as 90s, or 0 for never`},
	{"--interface=", `-i "": name an interface, or leave -i out to watch all that are up`},
	{"stats -i ,", `-i ",": name an interface, or leave -i out to watch all that are up`},
	{"---=x", "\"---=x\" is no flag: `ebpftop --help` lists those there are"},
	{"--links=", `--links "": it needs a FILE, or leave it out`},

	{"stats now", "\"now\": ebpftop stats takes flags only: `ebpftop stats --help` lists them"},
	{"stats lo", "\"lo\" is an interface: did you mean `ebpftop stats -i lo`?"},
	{"stats --by colour", `--by "colour": use owner, command, unit, container, remote, network, port, protocol, interface`},
	{"stats --by owner --events", "--by and --events: use one of them"},
	{"stats --exit-over x", `--exit-over "x": use one of bps, rx_bps, tx_bps, bytes, rx_bytes, tx_bytes, packets, connections, then > and a number: 'bps>10M'`},
	{"stats --count 0", "--count 0: use 1 or more, or leave it out"},
	{"stats --count -1", `--count "-1": use a whole number from 1 on`},
	{"stats --count 1.5", `--count "1.5": use a whole number from 1 on`},
	{"stats --count 99999999999999999999", `--count "99999999999999999999": the number is too large: use a smaller one`},
	{"stats --top 0", "--top 0: use 1 or more, or --no-connections"},
	{"stats --top x", `--top "x": use a whole number from 1 on`},
	{"stats --json=maybe", `--json "maybe": it takes no value`},
	{"stats --json --events", "--events and --json: use one of them"},
	{"stats --events --top 3", "--events and --top: use one of them"},
	{"stats --events --active", "--events and --active: use one of them"},
	{"stats --no-connections --filter x", "--no-connections and --filter: use one of them"},

	{"serve now", "\"now\": ebpftop serve takes flags only: `ebpftop serve --help` lists them"},
	{"serve --listen=", "--listen \"\": use ADDRESS:PORT such as 127.0.0.1:9435 or [::1]:9435, unix:/PATH, or systemd"},
	{"serve --listen 9435", "--listen 9435: use ADDRESS:PORT such as 127.0.0.1:9435 or [::1]:9435, unix:/PATH, or systemd"},
	{"serve --listen localhost:http", "--listen localhost:http: use ADDRESS:PORT such as 127.0.0.1:9435 or [::1]:9435, unix:/PATH, or systemd"},
	{"serve --listen 127.0.0.1:99999", "--listen 127.0.0.1:99999: use ADDRESS:PORT such as 127.0.0.1:9435 or [::1]:9435, unix:/PATH, or systemd"},
	{"serve --listen unix:socket", "--listen unix:socket: use ADDRESS:PORT such as 127.0.0.1:9435 or [::1]:9435, unix:/PATH, or systemd"},
	{"serve --top 0", "--top 0: use 1 to 1000"},
	{"serve --top 1001", "--top 1001: use 1 to 1000"},
	{"serve --top x", `--top "x": use a whole number from 1 on`},
	{"serve --web.config.file=", `--web.config.file "": it needs a FILE, or leave it out`},
	{"serve --count 1", "unknown flag --count: `ebpftop serve --help` lists those there are"},

	{"doctor now", "\"now\": ebpftop doctor takes flags only: `ebpftop doctor --help` lists them"},
	{"doctor --jso", "unknown flag --jso: did you mean --json?"},
	{"version now", "\"now\": ebpftop version takes flags only: `ebpftop version --help` lists them"},
	{"demo lo", "\"lo\" is an interface: did you mean `ebpftop demo -i lo`?"},
	{"demo --duration -1s", "--duration -1s: use 0 or more"},
	{"demo --duration 5", `--duration "5": use a time with its unit, such as 500ms, 5s or 2m`},

	{"xconnect add", "name the two interfaces to connect: ebpftop xconnect add A B"},
	{"xconnect add a", "name the two interfaces to connect: ebpftop xconnect add A B"},
	{"xconnect add a b c", "name the two interfaces to connect: ebpftop xconnect add A B"},
	{"xconnect add a b/c", `bad interface name "b/c": use no blanks, slashes or colons, nor . or .. alone`},
	{"xconnect add . ..", `bad interface name ".": use no blanks, slashes or colons, nor . or .. alone`},
	{"xconnect add a sixteencharacter", `bad interface name "sixteencharacter": use at most 15 bytes`},
	{"xconnect add a b --datapath fast", `--datapath: unknown datapath "fast": use auto, xdp, xdp-generic or tc`},
	{"xconnect add a b --trial 1ms", "--trial 1ms: use 1s or more"},
	{"xconnect add a b --trial 30", `--trial "30": use a time with its unit, such as 500ms, 5s or 2m`},
	{"xconnect del", "name an interface of the pair, or both: ebpftop xconnect del A B"},
	{"xconnect del a b c", "name an interface of the pair, or both: ebpftop xconnect del A B"},
	{"xconnect del a/b", `bad interface name "a/b": use no blanks, slashes or colons, nor . or .. alone`},
	{"xconnect del a --trial -1s", "--trial -1s: use 1s or more"},
	{"xconnect apply", "name a file of links: ebpftop xconnect apply -f FILE"},
	{"xconnect apply --file=", "the name of the file of links is empty: name one"},
	{"xconnect apply a b", `"b": name one file: ebpftop xconnect apply -f FILE`},
	{"xconnect apply a -f b", `"a": name one file: ebpftop xconnect apply -f FILE`},
	{"xconnect run", "name a file of links: ebpftop xconnect run -f FILE"},
	{"xconnect run -f -", "-f -: run follows a file, which the standard input is not: name one"},
	{"xconnect list now", "\"now\": ebpftop xconnect list takes flags only: `ebpftop xconnect list --help` lists them"},
	{"xconnect confirm now", "\"now\": ebpftop xconnect confirm takes flags only: `ebpftop xconnect confirm --help` lists them"},
	{"xconnect rollback now", "\"now\": ebpftop xconnect rollback takes flags only: `ebpftop xconnect rollback --help` lists them"},
	{"xconnect status a", "name both interfaces of a pair, or none for all pairs"},
	{"xconnect status a b -f c", "a pair and a file: name one of them"},
	{"xconnect status --file=", `-f "": it needs a FILE, or leave it out`},
}

// TestWrongUse ends with status 2, and one line that says what to do: that is what scripts
// tell a typing error from a failure by.
func TestWrongUse(t *testing.T) {
	for _, test := range wrongUses {
		var errOut strings.Builder
		status := run(strings.Fields(test.args), nil, io.Discard, &errOut)
		if want := "ebpftop: " + test.line + "\n"; status != int(exitWrongUse) || errOut.String() != want {
			t.Errorf("%s: status %d, said %q, want %q", test.args, status, errOut.String(), want)
		}
	}
}

// TestWrongInterfaces are wrong uses that only the interfaces there are tell from right ones.
func TestWrongInterfaces(t *testing.T) {
	host, _ := pair(t)
	for name, line := range map[string]string{
		"host0,":  `interfaces "host0,": a name is empty: leave out the comma`,
		"host0, ": `interfaces "host0, ": a name is empty: leave out the comma`,
		"[a":      `interface pattern "[a": syntax error in pattern: close the bracket, or write \[ for one`,
	} {
		got := finish(t, host, ebpftop(t, "stats", "--count", "1", "-i", name))
		if got.status != int(exitWrongUse) || got.errOut != "ebpftop: "+line+"\n" {
			t.Errorf("-i %q: status %d, said %q, want %q", name, got.status, got.errOut, line)
		}
	}
}

// TestOwnCommands that ebpftop starts for itself end at once if somebody else does.
func TestOwnCommands(t *testing.T) {
	for _, name := range []string{superviseCommand, inspectCommand} {
		cmd := ebpftop(t, name) // with /dev/null to read from
		var errOut bytes.Buffer
		cmd.Stderr = &errOut
		got := finished{status: status(t, cmd.Run()), errOut: errOut.String()}
		wantOneLine(t, got, name+" is for ebpftop itself")
		if got.status != int(exitWrongUse) {
			t.Errorf("%s: status %d", name, got.status)
		}
	}
}

// TestHelpIsFound by whoever asks for it, in whichever way.
func TestHelpIsFound(t *testing.T) {
	for args, command := range map[string]string{
		"help": "ebpftop", "-h": "ebpftop", "help stats": "ebpftop stats", "stats help": "ebpftop stats",
		"help xconnect add": "ebpftop xconnect add", "xconnect help": "ebpftop xconnect", "xconnect": "ebpftop xconnect",
		"xconnect help add": "ebpftop xconnect add", "xconnect add help": "ebpftop xconnect add",
		"xconnect apply help": "ebpftop xconnect apply", "xconnect status help": "ebpftop xconnect status",
	} {
		var out strings.Builder
		status := run(strings.Fields(args), nil, &out, io.Discard)
		if status != 0 || !strings.Contains(out.String(), "Usage: "+command+" ") {
			t.Errorf("%s: status %d:\n%s", args, status, out.String())
		}
	}
}

// TestNotPermitted has commands started by who may not, and says what they lack in words
// that fit.
func TestNotPermitted(t *testing.T) {
	const (
		noRights = "without CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN: run"
		notRoot  = "kept pairs are root's, in /sys/fs/bpf/ebpftop: run it as root"
	)
	host, _ := pair(t)
	links := t.TempDir() + "/links.yaml"
	if err := os.WriteFile(links, []byte("links: {}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := finish(t, host, ebpftop(t, "xconnect", "apply", links)); got.status != 0 { // which root may
		t.Fatal(got.errOut)
	}
	for _, test := range []struct {
		capabilities []libcap.Value
		args, line   string
	}{
		{nil, "stats", noRights},
		{nil, "serve", noRights},
		{nil, "--links " + links, noRights},
		{nil, "xconnect list", noRights},
		{nil, "xconnect add host0 host0", noRights},
		{nil, "xconnect del host0", noRights},
		{nil, "xconnect apply " + links, noRights},
		{nil, "xconnect run " + links, noRights},
		{nil, "xconnect confirm", noRights},
		{nil, "demo", "demo: make network namespace: operation not permitted: run it as root"},
		{confine.Watching[2:], "xconnect list", "without CAP_BPF, CAP_PERFMON: run it as root, or see `ebpftop doctor`"},
		{confine.Watching, "--links " + links, "permission denied"},
		{confine.Watching, "xconnect add host0 host0", notRoot},
		{confine.Watching, "xconnect del host0", notRoot},
		{confine.Watching, "xconnect apply " + links, notRoot},
		{confine.Watching, "xconnect rollback", notRoot},
	} {
		t.Run(fmt.Sprintf("%d %s", len(test.capabilities), test.args), func(t *testing.T) {
			cmd := ebpftop(t, strings.Fields(test.args)...)
			asNobody(t, cmd, test.capabilities)
			got := finish(t, host, cmd)
			wantOneLine(t, got, test.line)
			for _, word := range []string{"memlock", "security module"} {
				if strings.Contains(got.errOut, word) {
					t.Errorf("%q blames %s", got.errOut, word)
				}
			}
		})
	}
}
