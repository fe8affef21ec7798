// Package doctor says what this kernel and this user can do, and what it costs if
// something is missing.
package doctor

import (
	"errors"
	"slices"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes"
)

// Finding says whether this kernel, and this user, can do one thing.
type Finding struct {
	Name     string `json:"name"`
	Status   Status `json:"status"`
	Required bool   `json:"required"` // the dashboard cannot run without
	Detail   string `json:"detail"`
	// Cost says what the user misses, and Remedy how to get it. Both are empty where
	// all is well; Cost also where that is unknown.
	Cost   string `json:"cost"`
	Remedy string `json:"remedy"`
}

// Status is how well a feature works.
type Status string

// The statuses of a finding.
const (
	StatusOK       Status = "ok"
	StatusDegraded Status = "degraded"
	StatusMissing  Status = "missing"
	StatusUnknown  Status = "unknown" // we are not permitted to find out
)

// Fatal says that the dashboard cannot run because of this.
func (f Finding) Fatal() bool { return f.Required && f.Status == StatusMissing }

// Diagnose looks at all that ebpftop relies on. It attaches programs to the
// hooks of exec for a moment, and to interfaces of a network namespace of its
// own only.
func Diagnose() []Finding {
	return slices.Concat(
		diagnoseEach(privileges),
		diagnoseEach(kernelFeatures),
		diagnosePacketHooks(),
		diagnoseExecHooks(),
		diagnoseOwners(),
		diagnoseEach(dropFeatures),
		diagnoseEach(surroundings),
	)
}

// feature is something to find out about.
type feature struct {
	name     string
	required bool
	// look returns what there is. An error means that there is none; but with EPERM,
	// that we do not know.
	look   func() (detail string, err error)
	cost   string
	remedy string
}

// degraded is the error of a feature that is there, but not as it should be.
type degraded string

func (d degraded) Error() string { return string(d) }

func (f feature) diagnose() Finding {
	detail, err := f.look()
	finding := Finding{Name: f.name, Required: f.required, Status: statusOf(err), Detail: detail}
	switch finding.Status {
	case StatusOK:
		return finding
	case StatusUnknown:
		finding.Remedy = "Run doctor as root."
	default:
		finding.Cost, finding.Remedy = f.cost, f.remedy
	}
	finding.Detail = reasonOf(err)
	if detail != "" {
		finding.Detail = detail + ": " + finding.Detail
	}
	return finding
}

func statusOf(err error) Status {
	switch {
	case err == nil:
		return StatusOK
	case errors.As(err, new(degraded)):
		return StatusDegraded
	case errors.Is(err, unix.EPERM):
		return StatusUnknown
	}
	return StatusMissing
}

func reasonOf(err error) string {
	switch {
	case errors.Is(err, unix.EPERM):
		return "not permitted to look"
	case errors.Is(err, ebpf.ErrNotSupported):
		return "not in this kernel"
	}
	return probes.OneLine(err)
}

func diagnoseEach(list []feature) []Finding {
	findings := make([]Finding, 0, len(list))
	for _, f := range list {
		findings = append(findings, f.diagnose())
	}
	return findings
}
