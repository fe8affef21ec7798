package packets

// KernelMemory is about how many bytes the kernel takes for the maps and programs of a
// Program, as measured (docs/scale.md).
func KernelMemory(o Options) uint64 {
	const rest, row = 4 << 20, 150
	if o.ProtocolsOnly {
		return rest
	}
	return rest + 2*row*uint64(o.MaxConnections) // of IPv4 and IPv6
}
