package owners

import (
	"bufio"
	"io"
	"os"
	"strconv"
	"strings"
)

// mostPasswd bounds what is read of a file that somebody else may have made.
const mostPasswd = 4 << 20

// readUsers reads the names of users, by uid, before the process is confined. Those that
// other services know (LDAP, users that systemd makes for a service) have none.
func readUsers() map[uint32]string {
	users := map[uint32]string{0: "root"}
	file, err := os.Open("/etc/passwd")
	if err != nil {
		return users // then they are numbers
	}
	defer file.Close()
	lines := bufio.NewScanner(io.LimitReader(file, mostPasswd))
	for lines.Scan() {
		fields := strings.SplitN(lines.Text(), ":", 4)
		if len(fields) < 4 {
			continue
		}
		uid, err := strconv.ParseUint(fields[2], 10, 32)
		if _, isKnown := users[uint32(uid)]; err == nil && !isKnown {
			users[uint32(uid)] = fields[0]
		}
	}
	return users
}
