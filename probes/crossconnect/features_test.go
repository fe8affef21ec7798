package crossconnect

import (
	"errors"
	"testing"

	"github.com/cilium/ebpf/features"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/lab"
	"github.com/ebpftop/ebpftop/probes/lab/labtest"
)

// kernelIsAtLeast goes by the version alone, so that a kernel that should have
// a feature and has not is noticed.
func kernelIsAtLeast(t *testing.T, major, minor uint32) bool {
	t.Helper()
	version, err := features.LinuxVersionCode()
	if err != nil {
		t.Fatal(err)
	}
	return version >= major<<16|minor<<8
}

// featuresOf fails the test where the kernel should know and does not, or the
// other way round.
func featuresOf(t *testing.T, n *lab.Namespace, iface string) driverFeatures {
	t.Helper()
	d := describeIn(t, n, iface)
	if want := kernelIsAtLeast(t, 6, 3); d.featuresKnown != want {
		t.Fatalf("features of %s known: %t, want %t", iface, d.featuresKnown, want)
	}
	return d.features
}

// describeIn is deviceOf an interface of the namespace.
func describeIn(t *testing.T, n *lab.Namespace, iface string) (d device) {
	t.Helper()
	link, err := n.Link(iface)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Do(func() (err error) {
		d, err = deviceOf(link)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestFeaturesOfVeth has each of the two things at the far end that make a veth
// take redirected frames.
func TestFeaturesOfVeth(t *testing.T) {
	for name, prepare := range map[string]func(far *lab.Namespace) error{
		"GRO": func(far *lab.Namespace) error { return far.SetOffload("far", lab.GRO, true) },
		"XDP": func(far *lab.Namespace) error { return far.AttachXDP("far", "pass") },
	} {
		t.Run(name, func(t *testing.T) {
			near, far := labtest.Namespace(t), labtest.Namespace(t)
			if err := lab.QuietVeth(near, "near", far, "far"); err != nil {
				t.Fatal(err)
			}
			before := featuresOf(t, near, "near")
			if err := prepare(far); err != nil {
				t.Fatal(err)
			}
			after, ofFar := featuresOf(t, near, "near"), featuresOf(t, far, "far")
			t.Logf("before %#x, after %#x, far end %#x", before, after, ofFar)
			if !kernelIsAtLeast(t, 6, 3) {
				return
			}
			const always = featureBasic | featureRedirect
			if !before.has(always) || before.has(featureNDOXmit) {
				t.Errorf("unprepared: %#x", before)
			}
			if !after.has(always | featureNDOXmit) {
				t.Errorf("prepared: %#x", after)
			}
			if !ofFar.has(always) || ofFar.has(featureNDOXmit) {
				t.Errorf("far end: %#x", ofFar)
			}
		})
	}
}

func TestFeaturesOfBridge(t *testing.T) {
	n := labtest.Namespace(t)
	if err := n.AddBridge("br0"); err != nil {
		t.Fatal(err)
	}
	if features := featuresOf(t, n, "br0"); features != 0 {
		t.Errorf("%#x, want none", features)
	}
}

func TestFeaturesOfNothing(t *testing.T) {
	n := labtest.Namespace(t)
	err := n.Do(func() error {
		_, _, err := xdpFeatures(4711)
		return err
	})
	if kernelIsAtLeast(t, 6, 3) != errors.Is(err, unix.ENODEV) {
		t.Errorf("error %v", err)
	}
}
