package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// screenLab is the network of the demo, with something to look at in it.
type screenLab struct {
	name string
	// traffic is that of the demo: of all kinds, and programs.
	traffic bool
	// talk is besides that from the client to the server; every connection of it
	// is seen twice, on to-client and on to-server.
	talk *conversations
}

// screenLabs: the second has 10,000 connections, each with a frame a second. The
// last has new connections all the time.
var screenLabs = []screenLab{
	{name: "quiet"},
	{name: "10000-connections", traffic: true, talk: &conversations{connections: 5000, perSecond: 5000}},
	{name: "flood", talk: &conversations{connections: endless}},
}

// look calls fn with the switch, and what goes on around it.
func (l screenLab) look(ctx context.Context, b *bench, fn func(*lab.Namespace) error) (err error) {
	hub, err := lab.New()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hub.Close()) }()
	network, err := lab.Build(hub)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	if l.traffic {
		ctx, stop := context.WithCancel(ctx)
		ended := make(chan error)
		go func() { ended <- network.Run(ctx) }()
		defer func() {
			stop()
			if trouble := <-ended; trouble != nil { // it went on after that
				fmt.Fprintln(b.log, trouble)
			}
		}()
	}
	if l.talk != nil {
		server, err := network.Server.Link("net0")
		if err != nil {
			return err
		}
		talk, err := l.talk.start(ctx, network.Client.Namespace, "net0", server)
		if err != nil {
			return err
		}
		defer func() {
			_, talkErr := talk.stop()
			err = errors.Join(err, talkErr)
		}()
	}
	return fn(hub)
}
