package confine

import "encoding/binary"

// landlockWorks is false on big-endian machines: go-landlock (v0.11.0) hands
// the kernel the descriptor of a path as 8 bytes where it reads 4
// (PathBeneathAttr.ParentFd), which are always those of descriptor 0 there.
var landlockWorks = binary.NativeEndian.Uint16([]byte{1, 0}) == 1
