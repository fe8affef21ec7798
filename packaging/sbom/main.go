// Command sbom lists what a binary of ebpftop is made of, as SPDX 2.3 in JSON: the modules
// that the go command recorded in it. It reads licences from the first lines of the file
// that .ci/licences writes.
//
//	sbom BINARY LICENCES >ebpftop.spdx.json
package main

import (
	"bufio"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"regexp"
	"runtime/debug"
	"strings"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "sbom: name a binary and the file of licences")
		os.Exit(2)
	}
	if err := write(os.Stdout, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

// The parts of an SPDX document that are used here.
type (
	document struct {
		Version       string         `json:"spdxVersion"`
		License       string         `json:"dataLicense"`
		ID            string         `json:"SPDXID"`
		Name          string         `json:"name"`
		Namespace     string         `json:"documentNamespace"`
		Creation      creation       `json:"creationInfo"`
		Packages      []spdxPackage  `json:"packages"`
		Relationships []relationship `json:"relationships"`
	}
	creation struct {
		Created  string   `json:"created"`
		Creators []string `json:"creators"`
	}
	spdxPackage struct {
		ID            string        `json:"SPDXID"`
		Name          string        `json:"name"`
		Version       string        `json:"versionInfo"`
		Download      string        `json:"downloadLocation"`
		FilesAnalyzed bool          `json:"filesAnalyzed"`
		Concluded     string        `json:"licenseConcluded"`
		Declared      string        `json:"licenseDeclared"`
		Copyright     string        `json:"copyrightText"`
		Source        string        `json:"sourceInfo,omitempty"`
		Checksums     []checksum    `json:"checksums,omitempty"`
		References    []externalRef `json:"externalRefs"`
	}
	checksum struct {
		Algorithm string `json:"algorithm"`
		Value     string `json:"checksumValue"`
	}
	externalRef struct {
		Category string `json:"referenceCategory"`
		Type     string `json:"referenceType"`
		Locator  string `json:"referenceLocator"`
	}
	relationship struct {
		From string `json:"spdxElementId"`
		Kind string `json:"relationshipType"`
		To   string `json:"relatedSpdxElement"`
	}
)

const noAssertion = "NOASSERTION"

func write(out io.Writer, binary, licencesFile string) error {
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	content, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	licences, err := readLicences(licencesFile)
	if err != nil {
		return err
	}
	d, err := describe(info, licences, sha256.Sum256(content))
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

// readLicences returns the licence of each module: lines of module, version and licence, up
// to the first empty one.
func readLicences(path string) (map[string]string, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	licences := make(map[string]string)
	lines := bufio.NewScanner(file)
	for lines.Scan() && lines.Text() != "" {
		words := strings.Fields(lines.Text())
		if len(words) != 3 {
			return nil, fmt.Errorf("%s: %q is not MODULE VERSION LICENCE", path, lines.Text())
		}
		licences[words[0]] = words[2]
	}
	return licences, lines.Err()
}

// describe returns an error if the licence of a module is not known, or if it is not known
// what the binary was built from.
func describe(info *debug.BuildInfo, licences map[string]string, digest [sha256.Size]byte) (*document, error) {
	settings := make(map[string]string)
	for _, s := range info.Settings {
		settings[s.Key] = s.Value
	}
	if settings["vcs.revision"] == "" {
		return nil, fmt.Errorf("the binary does not say what commit it is of: build it with -buildvcs=true in a clone")
	}
	name := "ebpftop-" + info.Main.Version + "-" + settings["GOOS"] + "-" + settings["GOARCH"]
	sum := hex.EncodeToString(digest[:])
	d := &document{
		Version: "SPDX-2.3", License: "CC0-1.0", ID: "SPDXRef-DOCUMENT", Name: name,
		Namespace: "https://" + info.Main.Path + "/spdx/" + name + "-" + sum,
		Creation:  creation{Created: settings["vcs.time"], Creators: []string{"Tool: ebpftop-sbom"}},
	}
	main := module(info.Main.Path, info.Main.Version, "MIT")
	main.Source = "commit " + settings["vcs.revision"]
	main.Checksums = []checksum{{"SHA256", sum}}
	d.Packages = append(d.Packages, main)
	d.Relationships = append(d.Relationships, relationship{d.ID, "DESCRIBES", main.ID})
	modules := []*debug.Module{{Path: "std", Version: strings.TrimPrefix(info.GoVersion, "go")}}
	for _, m := range append(modules, info.Deps...) {
		if m.Replace != nil {
			m = m.Replace
		}
		licence, ok := licences[m.Path]
		if !ok {
			return nil, fmt.Errorf("%s is not in the file of licences: run `make licences`", m.Path)
		}
		p := module(m.Path, m.Version, licence)
		if m.Sum != "" {
			p.Source = "go.sum " + m.Sum
		}
		d.Packages = append(d.Packages, p)
		d.Relationships = append(d.Relationships, relationship{main.ID, "STATIC_LINK", p.ID})
	}
	return d, nil
}

// notInID are the characters that an SPDX identifier must not have.
var notInID = regexp.MustCompile(`[^A-Za-z0-9.-]+`)

func module(path, version, licence string) spdxPackage {
	return spdxPackage{
		ID: "SPDXRef-" + notInID.ReplaceAllString(path, "-"), Name: path, Version: version,
		Download: noAssertion, Concluded: licence, Declared: licence, Copyright: noAssertion,
		References: []externalRef{{"PACKAGE-MANAGER", "purl", "pkg:golang/" + path + "@" + version}},
	}
}
