// Package cgroup says what a process belongs to by its control group: a unit of systemd,
// a container, a pod.
package cgroup

import "strings"

// Membership is what the path of a control group tells. What it does not tell is empty.
type Membership struct {
	Unit      string // of systemd, the innermost that is no slice; a user's own with that user's manager before
	Container string // id
	Pod       string // UID, in Kubernetes
}

// Parse reads the path of a control group, as systemd, Docker, containerd, CRI-O, Podman and
// the kubelet name them. Where containers are inside of each other, the innermost counts. Because
// users name their own units as they like, those are never one of the system's.
func Parse(path string) (m Membership) {
	var manager string // of a user
	for name := range strings.SplitSeq(path, "/") {
		// containerd's own form is "parent:prefix:id".
		parent, _, _ := strings.Cut(name, ":")
		if pod := podOf(parent); pod != "" {
			m.Pod = pod
		}
		if id := containerOf(name); id != "" {
			m.Container = id
		}
		if isUnit(name) {
			m.Unit = manager + name
		}
		if strings.HasPrefix(name, "user@") && strings.HasSuffix(name, ".service") {
			manager = name + "/"
		}
	}
	return m
}

// isUnit tells whether systemd names a unit so that has processes.
func isUnit(name string) bool {
	return strings.HasSuffix(name, ".service") || strings.HasSuffix(name, ".scope") ||
		strings.HasSuffix(name, ".socket") || strings.HasSuffix(name, ".mount") || strings.HasSuffix(name, ".swap")
}

// runtimes are what container runtimes put before an id, where systemd manages control groups.
var runtimes = []string{"docker-", "cri-containerd-", "crio-", "libpod-", "containerd-", "nerdctl-"}

// containerOf returns the id of a container, empty if the name is not one's.
func containerOf(name string) (id string) {
	name = strings.TrimSuffix(name, ".scope")
	name = name[strings.LastIndexByte(name, ':')+1:]
	for _, prefix := range runtimes {
		if rest, found := strings.CutPrefix(name, prefix); found && isID(rest) {
			return rest
		}
	}
	if isID(name) {
		return name
	}
	return ""
}

// isID tells whether the name is the id that runtimes give a container: 64 hexadecimal
// digits.
func isID(name string) bool {
	return len(name) == 64 && strings.Trim(name, "0123456789abcdef") == ""
}

// podOf returns the UID of a pod: "pod" and the UID, behind it in slices of systemd
// "kubepods-burstable-pod" and the UID, with its dashes as underscores.
func podOf(name string) string {
	name, isSlice := strings.CutSuffix(name, ".slice")
	if isSlice {
		at := strings.LastIndex(name, "-pod")
		if at < 0 || !strings.Contains(name, "kubepods") {
			return ""
		}
		return strings.ReplaceAll(name[at+len("-pod"):], "_", "-")
	}
	uid, found := strings.CutPrefix(name, "pod")
	// A static pod's is the hash of its file: 32 digits without dashes.
	if !found || len(uid) < 32 || strings.Trim(uid, "0123456789abcdef-") != "" {
		return ""
	}
	return uid
}
