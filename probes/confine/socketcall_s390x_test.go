package confine

import (
	"encoding/binary"
	"testing"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// TestSocketcall runs the filters: what a process may call of sockets, it may by socketcall(2), and
// nothing else.
func TestSocketcall(t *testing.T) {
	const connect, listen, sendto, sendmsg, accept4 = 3, 4, 11, 16, 18
	watching, serving := Needs{Asks: true, Files: &Files{}}, Needs{Asks: true, Serves: true, Files: &Files{}}
	for _, test := range []struct {
		needs  Needs
		number uint64
		want   int
	}{
		{watching, sendto, unix.SECCOMP_RET_ALLOW},
		{watching, accept4, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{serving, accept4, unix.SECCOMP_RET_ALLOW},
		{serving, connect, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{serving, listen, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
		{Needs{}, sendmsg, unix.SECCOMP_RET_ALLOW},
		{Needs{}, sendto, unix.SECCOMP_RET_ERRNO | int(unix.EPERM)},
	} {
		vm, err := bpf.NewVM(filterOf(withSocketcall(test.needs.calls())))
		if err != nil {
			t.Fatal(err)
		}
		data := binary.BigEndian.AppendUint32(nil, unix.SYS_SOCKETCALL) // struct seccomp_data
		data = binary.BigEndian.AppendUint32(data, architecture)
		data = binary.BigEndian.AppendUint64(data, 0)
		data = binary.BigEndian.AppendUint64(data, test.number)
		if got, err := vm.Run(append(data, make([]byte, 40)...)); err != nil || got != test.want {
			t.Errorf("%+v, call %d: %#x, %v, want %#x", test.needs, test.number, got, err, test.want)
		}
	}
}
