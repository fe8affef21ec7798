package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/spf13/cobra"

	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/exporter"
	"github.com/ebpftop/ebpftop/cmd/ebpftop/internal/web"
	"github.com/ebpftop/ebpftop/probes"
	"github.com/ebpftop/ebpftop/probes/crossconnect/linksfile"
	"github.com/ebpftop/ebpftop/probes/live"
)

const (
	defaultListen = "127.0.0.1:9435"
	defaultTop    = 20
	mostTop       = 1000
	webConfigFlag = "web.config.file" // as Prometheus' exporters call it
)

// serveFlags are what `serve` takes besides what to watch.
type serveFlags struct {
	listen    string
	top       uint
	webConfig string
}

func (f *serveFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.listen, "listen", defaultListen, "at `ADDRESS`: 127.0.0.1:9435, unix:/PATH, systemd")
	cmd.Flags().Lookup("listen").DefValue = "" // the first one
	cmd.Flags().UintVar(&f.top, "top", defaultTop, "`N` owners, containers, protocols, drops")
	cmd.Flags().StringVar(&f.webConfig, webConfigFlag, "", "TLS and passwords as `FILE` says")
	cmd.Flags().Lookup(webConfigFlag).Hidden = true // for want of room: the text above says it
}

// check checks the flags.
func (f *serveFlags) check(cmd *cobra.Command) error {
	if f.top == 0 || f.top > mostTop {
		return wrongUse(fmt.Errorf("--top %d: use 1 to %d", f.top, mostTop))
	}
	if f.listen == "" {
		return wrongUse(fmt.Errorf("--listen \"\": %w", web.ErrAddress))
	}
	return errEmpty(cmd, webConfigFlag)
}

// open opens what to listen at. Beyond this host, it takes what keeps strangers out.
func (f *serveFlags) open() (net.Listener, *web.Config, error) {
	config, err := web.ReadConfig(f.webConfig)
	if err != nil {
		return nil, nil, fmt.Errorf("--%s: %w", webConfigFlag, err)
	}
	listener, err := web.Listen(f.listen)
	if err != nil {
		if err = fmt.Errorf("--listen %s: %w", f.listen, err); errors.Is(err, web.ErrAddress) {
			err = wrongUse(err)
		}
		return nil, nil, err
	}
	if !web.IsPrivate(listener) && !config.IsGuarded() {
		listener.Close()
		return nil, nil, wrongUse(fmt.Errorf("--listen %s: others reach that, which takes TLS, and passwords or certificates of clients: name a file of them by --%s, or use 127.0.0.1 or [::1]", f.listen, webConfigFlag))
	}
	return listener, config, nil
}

func newServeCommand() *cobra.Command {
	var watch watchFlags
	var flags serveFlags
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve the same numbers to Prometheus",
		Long: `serve answers /metrics, in the formats of Prometheus and OpenMetrics, /-/healthy
and /-/ready, until it ends. Where others reach it, it takes TLS and passwords,
as --web.config.file FILE says in the format of Prometheus' exporters.`,
		Example: `  sudo ebpftop serve & curl localhost:9435/metrics`,
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if _, err := watch.withSettings(cmd.Context()); err != nil {
				return err
			}
			opts, err := watch.options()
			if err := cmp.Or(err, flags.check(cmd)); err != nil {
				return err
			}
			if err := live.CheckLimits(opts); err != nil {
				return err
			}
			listener, config, err := flags.open()
			if err != nil {
				return err
			}
			defer listener.Close()
			// Before there is a process at our side, which is not to talk to it.
			manager, err := findServiceManager()
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "ebpftop: service manager not told:", oneLine(err))
			}
			defer manager.Close()
			opts.AtOnce = true
			return withBeside(cmd.Context(), linksfile.File{}, func(b *beside) error {
				opts.Inspector, opts.Confine = b.inspector, b.confineServing
				info := readBuildInfo()
				metrics := exporter.New(exporter.Build{Version: info.Version, Commit: info.Commit, Go: info.Go}, int(flags.top))
				s := &serving{
					server:  web.Server{Exporter: metrics, Config: config, Interval: opts.Interval, ErrOut: cmd.ErrOrStderr()},
					manager: manager, errOut: cmd.ErrOrStderr(),
				}
				return s.run(cmd.Context(), opts, listener)
			})
		},
	}
	watch.register(cmd, defaultStatsInterval)
	flags.register(cmd)
	return cmd
}

// serving is a running `serve`.
type serving struct {
	server  web.Server
	manager *serviceManager
	errOut  io.Writer
	isReady bool
}

// run goes on until ctx ends, or samples do. Nothing that others sent is read before the
// process is confined.
func (s *serving) run(ctx context.Context, opts live.Options, listener net.Listener) (err error) {
	source, err := live.New(ctx, opts)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, source.Close()) }()
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx)) // which ends after the samples
	served := make(chan error, 1)
	go func() { served <- s.server.Serve(serving, listener) }()
	defer func() { cancel(); err = errors.Join(err, <-served) }()
	pings := s.manager.pings()
	for {
		select {
		case sample, ok := <-source.Samples():
			if !ok {
				s.manager.stopping()
				return source.Err()
			}
			s.take(&sample)
		case err := <-served:
			served <- nil
			return err
		case <-pings:
			if s.server.IsHealthy() {
				s.manager.alive()
			}
		}
	}
}

// take takes in a sample. Once all is attached, it says so.
func (s *serving) take(sample *probes.Sample) {
	s.server.Exporter.Take(sample, healthOfAll(sample.CrossConnects))
	if s.isReady || !s.server.Exporter.IsReady() {
		return
	}
	s.isReady = true
	if line := unwatched(sample.Interfaces); line != "" {
		fmt.Fprintln(s.errOut, "ebpftop: "+line)
	}
	s.manager.ready()
}

// healthOfAll returns the health of each pair.
func healthOfAll(pairs []probes.CrossConnect) []exporter.Pair {
	if len(pairs) == 0 {
		return nil
	}
	interfaces, _ := listFlags() // else none is known to be down
	list := make([]exporter.Pair, len(pairs))
	for i := range pairs {
		health, _ := healthOf(&pairs[i], interfaces)
		list[i] = exporter.Pair{CrossConnect: pairs[i], Health: string(health)}
	}
	return list
}
