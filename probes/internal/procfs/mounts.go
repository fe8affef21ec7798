package procfs

import "strings"

// MountOf finds where the root of a filesystem of a type is mounted, by the content of
// /proc/self/mountinfo (proc_pid_mountinfo(5)); empty if it is not.
func MountOf(fstype, mountinfo string) string {
	for line := range strings.Lines(mountinfo) {
		// "41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw"
		mount, filesystem, _ := strings.Cut(line, " - ")
		fields := strings.Fields(mount)
		if kind, _, _ := strings.Cut(filesystem, " "); kind == fstype && len(fields) > 4 && fields[3] == "/" {
			return unescape(fields[4])
		}
	}
	return ""
}

// unescape undoes what the kernel does to blanks in paths: seq_path() in fs/seq_file.c.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
