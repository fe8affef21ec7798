package procfs

import "testing"

func TestMountOf(t *testing.T) {
	const hybrid = `31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
39 31 0:36 / /sys/fs/cgroup/pids rw,relatime - cgroup cgroup rw,pids
40 31 0:38 /system.slice /mnt/part rw,relatime shared:9 - cgroup2 cgroup2 rw
41 31 0:38 / /mnt/two\040words rw,relatime shared:9 master:1 - cgroup2 cgroup2 rw
`
	if got := MountOf("cgroup2", hybrid); got != "/mnt/two words" {
		t.Errorf("%q", got)
	}
	if got := MountOf("cgroup2", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs cgroup2 rw\nbroken\n"); got != "" {
		t.Errorf("%q where none is mounted", got)
	}
}
