package confine

import "golang.org/x/sys/unix"

// socketcalls are the numbers that calls of sockets have for socketcall(2): SYS_SOCKET and so on
// in linux/net.h. Linux has had the calls themselves since 4.3, but Go goes on to use this one.
var socketcalls = map[uintptr]uint32{
	unix.SYS_SOCKET: 1, unix.SYS_BIND: 2, unix.SYS_CONNECT: 3, unix.SYS_LISTEN: 4, unix.SYS_GETSOCKNAME: 6,
	unix.SYS_SENDTO: 11, unix.SYS_RECVFROM: 12, unix.SYS_SHUTDOWN: 13, unix.SYS_SETSOCKOPT: 14, unix.SYS_GETSOCKOPT: 15,
	unix.SYS_SENDMSG: 16, unix.SYS_RECVMSG: 17, unix.SYS_ACCEPT4: 18,
}

// withSocketcall allows calls also by socketcall(2). Because it has their arguments in memory,
// where no filter looks, they are allowed whatever these are.
func withSocketcall(calls []call) []call {
	var numbers []uint32
	for _, c := range calls {
		if number, isOfSocket := socketcalls[c.number]; isOfSocket {
			numbers = append(numbers, number)
		}
	}
	if numbers == nil {
		return calls
	}
	return append(calls, callIf(unix.SYS_SOCKETCALL, argumentIs(0, numbers...)))
}
