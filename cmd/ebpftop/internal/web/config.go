package web

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
	"golang.org/x/crypto/bcrypt"
	"golang.org/x/sys/unix"

	"github.com/ebpftop/ebpftop/probes/strictyaml"
)

// Config is what a web configuration file says. The file has the format of Prometheus'
// exporters, of which what ebpftop has no use for is refused. Because the library that they
// share brings OAuth, templates and four megabytes, the file is read here.
type Config struct {
	TLS *tls.Config // nil: none
	// Users are the hashes of their passwords, by bcrypt, nil: nobody is asked.
	Users map[string][]byte
}

// IsGuarded tells whether a stranger is kept out, and nobody can listen in.
func (c *Config) IsGuarded() bool {
	return c.TLS != nil && (c.Users != nil || c.TLS.ClientAuth == tls.RequireAndVerifyClientCert)
}

// maxConfigSize bounds a configuration file, and the files of certificates and keys, in bytes.
const maxConfigSize = 1 << 20

// ReadConfig reads a configuration file, and the certificates and keys that it names. The empty
// path is that of an empty file. It is to be called before the process is confined.
func ReadConfig(path string) (*Config, error) {
	c := new(Config)
	if path == "" {
		return c, nil
	}
	data, mode, err := readFile(path)
	if err != nil {
		return nil, err
	}
	f := configFile{File: strictyaml.File{Name: path}, folder: filepath.Dir(path)}
	root, err := f.Document(data)
	if err != nil || root == nil {
		return c, err
	}
	err = f.each(root, map[string]func(*yaml.Node) error{
		"tls_server_config": func(node *yaml.Node) (err error) { c.TLS, err = f.tls(node); return err },
		"basic_auth_users":  func(node *yaml.Node) (err error) { c.Users, err = f.users(node); return err },
	})
	if err == nil && c.Users != nil {
		err = errNoSecret(path, mode)
	}
	return c, err
}

// readFile reads a file that not everybody may write.
func readFile(path string) (data []byte, mode fs.FileMode, err error) {
	// O_NONBLOCK: opening a named pipe would wait for a writer.
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	switch {
	case err != nil:
		return nil, 0, err
	case !info.Mode().IsRegular():
		return nil, 0, fmt.Errorf("%s is not a regular file", path)
	case info.Mode()&0o002 != 0:
		return nil, 0, fmt.Errorf("everybody may write to %s (mode %04o): chmod o-w it", path, info.Mode().Perm())
	}
	data, err = io.ReadAll(io.LimitReader(file, maxConfigSize+1))
	if err == nil && len(data) > maxConfigSize {
		err = fmt.Errorf("%s: larger than 1 MiB", path)
	}
	return data, info.Mode(), err
}

// errNoSecret returns an error if everybody may read a file that holds a key, or what passwords
// can be guessed from.
func errNoSecret(path string, mode fs.FileMode) error {
	if mode&0o004 == 0 {
		return nil
	}
	return fmt.Errorf("everybody may read %s (mode %04o): chmod o-r it", path, mode.Perm())
}

// configFile is a configuration file while it is read.
type configFile struct {
	strictyaml.File
	folder string // in which it is: paths in it are relative to that
}

// each calls what there is for the keys of a mapping, and refuses others.
func (f *configFile) each(node *yaml.Node, known map[string]func(*yaml.Node) error) error {
	entries, err := f.Entries(node)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		read := known[entry.Name]
		if read == nil {
			return f.Errorf(entry.Key, "this key is not known here: use %s", strings.Join(sortedKeys(known), ", "))
		}
		if err := read(entry.Value); err != nil {
			return err
		}
	}
	return nil
}

func sortedKeys[T any](m map[string]T) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}

var tlsVersions = map[string]uint16{"TLS12": tls.VersionTLS12, "TLS13": tls.VersionTLS13}

var clientAuthTypes = map[string]tls.ClientAuthType{
	"NoClientCert": tls.NoClientCert, "RequireAndVerifyClientCert": tls.RequireAndVerifyClientCert,
}

// tls reads tls_server_config.
func (f *configFile) tls(node *yaml.Node) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var certificate, key, clients string
	word := func(to *string) func(*yaml.Node) error {
		return func(node *yaml.Node) (err error) { *to, err = f.Word(node); return err }
	}
	err := f.each(node, map[string]func(*yaml.Node) error{
		"cert_file":      word(&certificate),
		"key_file":       word(&key),
		"client_ca_file": word(&clients),
		"client_auth_type": func(node *yaml.Node) (err error) {
			c.ClientAuth, err = oneOf(f, node, clientAuthTypes)
			return err
		},
		"min_version": func(node *yaml.Node) (err error) {
			c.MinVersion, err = oneOf(f, node, tlsVersions)
			return err
		},
	})
	switch {
	case err != nil:
		return nil, err
	case certificate == "" || key == "":
		return nil, f.Errorf(node, "TLS takes a cert_file and a key_file: name both")
	case (clients != "") != (c.ClientAuth == tls.RequireAndVerifyClientCert):
		return nil, f.Errorf(node, "client_ca_file and client_auth_type: RequireAndVerifyClientCert go together: write both")
	}
	if err := f.load(c, certificate, key, clients); err != nil {
		return nil, f.ErrorAt(node.Line, err)
	}
	return c, nil
}

func oneOf[T any](f *configFile, node *yaml.Node, known map[string]T) (value T, err error) {
	word, err := f.Word(node)
	if err != nil {
		return value, err
	}
	value, isKnown := known[word]
	if !isKnown {
		return value, f.Errorf(node, "this value is not known here: use %s", strings.Join(sortedKeys(known), " or "))
	}
	return value, nil
}

// load reads the certificates and keys.
func (f *configFile) load(c *tls.Config, certificate, key, clients string) error {
	chain, _, err := readFile(f.path(certificate))
	if err != nil {
		return fmt.Errorf("cert_file: %w", err)
	}
	secret, mode, err := readFile(f.path(key))
	if err = cmp.Or(err, errNoSecret(f.path(key), mode)); err != nil {
		return fmt.Errorf("key_file: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, secret)
	if err != nil {
		return fmt.Errorf("cert_file and key_file: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	if clients == "" {
		return nil
	}
	authorities, _, err := readFile(f.path(clients))
	if err != nil {
		return fmt.Errorf("client_ca_file: %w", err)
	}
	c.ClientCAs = x509.NewCertPool()
	if !c.ClientCAs.AppendCertsFromPEM(authorities) {
		return errors.New("client_ca_file: there is no certificate in it")
	}
	return nil
}

// path is where a file is that the configuration names.
func (f *configFile) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(f.folder, name)
}

// mostCost bounds what a hash takes to check, which any stranger asks for: at 14, a second of a
// core.
const mostCost = 14

// users reads basic_auth_users.
func (f *configFile) users(node *yaml.Node) (map[string][]byte, error) {
	entries, err := f.Entries(node)
	if err != nil {
		return nil, err
	}
	users := make(map[string][]byte, len(entries))
	for _, entry := range entries {
		hash, err := f.Word(entry.Value)
		if err != nil {
			return nil, err
		}
		switch cost, err := bcrypt.Cost([]byte(hash)); {
		case err != nil:
			return nil, f.Errorf(entry.Value, "this is no password's hash by bcrypt: make one by `htpasswd -nB USER`")
		case cost > mostCost:
			return nil, f.Errorf(entry.Value, "this hash takes too long to check: make one of a cost up to %d, by `htpasswd -nBC 12 USER`", mostCost)
		}
		users[entry.Name] = bytes.Clone([]byte(hash))
	}
	if len(users) == 0 {
		return nil, f.Errorf(node, "there is no user: write USER: HASH, or leave it out")
	}
	return users, nil
}
