package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ebpftop/ebpftop/probes/lab"
)

// scalePrefix begins the names of the interfaces, and of nothing else that ebpftop
// shows.
const scalePrefix = "scale"

// scaleLab is a host with many interfaces, none of which carries a frame.
type scaleLab struct {
	host, far *lab.Namespace
	elsewhere *lab.Namespace // of others, who have nothing to do with the host
	count     int            // of the host's interfaces
}

func newScaleLab() (l *scaleLab, err error) {
	l = &scaleLab{}
	for _, n := range []**lab.Namespace{&l.host, &l.far, &l.elsewhere} {
		if *n, err = lab.New(); err != nil {
			return nil, errors.Join(err, l.close())
		}
	}
	return l, nil
}

// grow adds interfaces until there are that many.
func (l *scaleLab) grow(count int) error {
	for ; l.count < count; l.count++ {
		name := fmt.Sprint(scalePrefix, l.count)
		if err := lab.QuietVeth(l.host, name, l.far, name); err != nil {
			return err
		}
	}
	return nil
}

// awaitTurns calls fn while others change an interface of theirs, and adds how long
// they had to wait.
func (l *scaleLab) awaitTurns(ctx context.Context, v screenValues, fn func() error) error {
	others := startChanging(ctx, l.elsewhere)
	err := fn()
	waits, changeErr := others.stop()
	if err := errors.Join(err, changeErr); err != nil {
		return err
	}
	v.add(waitFigure, median(waits))
	v.add(worstFigure, slices.Max(waits))
	return nil
}

func (l *scaleLab) close() error {
	var errs []error
	for _, n := range []*lab.Namespace{l.host, l.far, l.elsewhere} {
		if n != nil {
			errs = append(errs, n.Close())
		}
	}
	return errors.Join(errs...)
}
