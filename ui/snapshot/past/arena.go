package past

import "golang.org/x/sys/unix"

// arena is memory outside of Go's heap. What lies there for minutes would have the collector
// keep as much again for garbage. The zero value is empty.
type arena []byte

// hold copies streams into a new arena, and has them point there. Where the system gives none,
// they stay where they are.
func hold(streams []*[]byte) arena {
	size := 0
	for _, s := range streams {
		size += len(*s)
	}
	if size == 0 {
		return nil
	}
	mem, err := unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil
	}
	at := 0
	for _, s := range streams {
		n := copy(mem[at:], *s)
		*s = mem[at : at+n : at+n]
		at += n
	}
	return mem
}

// free gives it back. Nothing may point there any more.
func (a arena) free() {
	if a != nil {
		_ = unix.Munmap(a) // of what Mmap returned, it does not fail
	}
}
