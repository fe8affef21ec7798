package cgroup

import (
	"strings"
	"testing"
)

const id = "3f1b2c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e6f708192a3b4c5d6e7f809"

// TestParse has the paths that systemd and container runtimes make, with version 1 and 2 of
// control groups.
func TestParse(t *testing.T) {
	const uid = "5f6a7b8c-1234-4abc-9def-0123456789ab"
	uidOfSlice := strings.ReplaceAll(uid, "-", "_")
	for _, test := range []struct {
		name, path string
		want       Membership
	}{
		{"root", "/", Membership{}},
		{"service", "/system.slice/sshd.service", Membership{Unit: "sshd.service"}},
		{"service of a template", "/system.slice/system-getty.slice/getty@tty1.service", Membership{Unit: "getty@tty1.service"}},
		{"session", "/user.slice/user-1000.slice/session-4.scope", Membership{Unit: "session-4.scope"}},
		{"user's service", "/user.slice/user-1000.slice/user@1000.service/app.slice/syncthing.service", Membership{Unit: "user@1000.service/syncthing.service"}},
		{"service with groups of its own", "/system.slice/libvirtd.service/vcpu0", Membership{Unit: "libvirtd.service"}},
		{"slice alone", "/system.slice", Membership{}},
		{"docker, systemd", "/system.slice/docker-" + id + ".scope", Membership{Unit: "docker-" + id + ".scope", Container: id}},
		{"docker, cgroupfs", "/docker/" + id, Membership{Container: id}},
		{"docker's daemon", "/system.slice/docker.service", Membership{Unit: "docker.service"}},
		{"docker, rootless", "/user.slice/user-1000.slice/user@1000.service/user.slice/docker-" + id + ".scope", Membership{Unit: "user@1000.service/docker-" + id + ".scope", Container: id}},
		{"user's service, called like the system's", "/user.slice/user-1000.slice/user@1000.service/system.slice/nginx.service", Membership{Unit: "user@1000.service/nginx.service"}},
		{"podman", "/machine.slice/libpod-" + id + ".scope/container", Membership{Unit: "libpod-" + id + ".scope", Container: id}},
		{"podman's monitor", "/machine.slice/libpod-conmon-" + id + ".scope", Membership{Unit: "libpod-conmon-" + id + ".scope"}},
		{"podman, cgroupfs", "/libpod_parent/libpod-" + id, Membership{Container: id}},
		{"containerd", "/system.slice/containerd.service", Membership{Unit: "containerd.service"}},
		{"nerdctl", "/system.slice/nerdctl-" + id + ".scope", Membership{Unit: "nerdctl-" + id + ".scope", Container: id}},
		{"kubelet, cgroupfs, guaranteed", "/kubepods/pod" + uid + "/" + id, Membership{Container: id, Pod: uid}},
		{"kubelet, cgroupfs, burstable", "/kubepods/burstable/pod" + uid + "/" + id, Membership{Container: id, Pod: uid}},
		{"kubelet, systemd, containerd", "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod" + uidOfSlice + ".slice/cri-containerd-" + id + ".scope", Membership{Unit: "cri-containerd-" + id + ".scope", Container: id, Pod: uid}},
		{"kubelet, systemd, guaranteed", "/kubepods.slice/kubepods-pod" + uidOfSlice + ".slice/cri-containerd-" + id + ".scope", Membership{Unit: "cri-containerd-" + id + ".scope", Container: id, Pod: uid}},
		{"kubelet, systemd, CRI-O", "/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod" + uidOfSlice + ".slice/crio-" + id + ".scope", Membership{Unit: "crio-" + id + ".scope", Container: id, Pod: uid}},
		{"CRI-O's container inside", "/kubepods.slice/kubepods-pod" + uidOfSlice + ".slice/crio-" + id + ".scope/container", Membership{Unit: "crio-" + id + ".scope", Container: id, Pod: uid}},
		{"kubelet, systemd, Docker", "/kubepods.slice/kubepods-pod" + uidOfSlice + ".slice/docker-" + id + ".scope", Membership{Unit: "docker-" + id + ".scope", Container: id, Pod: uid}},
		{"containerd without systemd", "/kubepods-burstable-pod" + uidOfSlice + ".slice:cri-containerd:" + id, Membership{Container: id, Pod: uid}},
		{"static pod", "/kubepods/burstable/pod" + id[:32] + "/" + id, Membership{Container: id, Pod: id[:32]}},
		{"kind", "/docker/" + strings.Repeat("a", 64) + "/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod" + uidOfSlice + ".slice/cri-containerd-" + id + ".scope", Membership{Unit: "cri-containerd-" + id + ".scope", Container: id, Pod: uid}},
		{"service inside of a container", "/docker/" + id + "/system.slice/nginx.service", Membership{Unit: "nginx.service", Container: id}},
		{"a name that begins like a pod", "/system.slice/podman.service", Membership{Unit: "podman.service"}},
		{"a name too short for an id", "/docker/" + id[:63], Membership{}},
		{"a name that is no hexadecimal number", "/docker/" + strings.Repeat("g", 64), Membership{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Parse(test.path); got != test.want {
				t.Errorf("%s:\ngot  %+v\nwant %+v", test.path, got, test.want)
			}
		})
	}
}

// TestPathIsCut has a path with more levels than are kept: what is above them is not known, nor
// whose units or containers those below are.
func TestPathIsCut(t *testing.T) {
	record := func(innermost ...string) []byte {
		names := make([]byte, levels*nameBytes)
		for i, name := range innermost {
			copy(names[i*nameBytes:], name)
		}
		return names
	}
	deep := []string{"8", "7", "6", "5", "4", "3", "2", "1", "nginx.service", "system.slice"}
	if place := placeOf(record(deep...)); place.Path != "/.../system.slice/nginx.service/1/2/3/4/5/6/7/8" || place.Membership != (Membership{}) {
		t.Errorf("%+v", place)
	}
	if place := placeOf(record("nginx.service", "system.slice")); place.Path != "/system.slice/nginx.service" || place.Unit != "nginx.service" {
		t.Errorf("%+v", place)
	}
	if place := placeOf(record()); place.Path != "/" {
		t.Errorf("%+v", place)
	}
}
