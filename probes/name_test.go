package probes

import "testing"

func TestCheckInterfaceName(t *testing.T) {
	for name, want := range map[string]bool{
		"eth0": true, "wan-ünï": true, "a@b": true, "[br]": true, "fifteen-chars-x": true, "...": true,
		"": false, ".": false, "..": false, "sixteen-chars-xy": false, "a b": false, "a/b": false, "a:b": false,
		"a\x00": false, "a\xa0b": false, "tab\t": false,
	} {
		if err := CheckInterfaceName(name); (err == nil) != want {
			t.Errorf("%q: %v", name, err)
		}
	}
}
