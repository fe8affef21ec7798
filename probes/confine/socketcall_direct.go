//go:build !s390x

package confine

// withSocketcall returns calls: here, each call of a socket has a number of its own.
func withSocketcall(calls []call) []call { return calls }
