package bpf

import (
	"crypto/sha256"
	"encoding/hex"
)

// Digest returns the SHA-256 of the objects that are linked in, one after the other in the
// order of their names: `cat bpf/*_bpfel.o | sha256sum`, or bpfeb on big-endian machines.
func Digest() string {
	hash := sha256.New()
	for _, object := range [][]byte{
		_CrossConnectsBytes, _DropsBytes, _ExecsBytes, _HostnamesBytes, _OwnersBytes, _PacketsBytes, _RedirectsBytes,
	} {
		hash.Write(object)
	}
	return hex.EncodeToString(hash.Sum(nil))
}
