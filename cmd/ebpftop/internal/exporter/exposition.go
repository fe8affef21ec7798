package exporter

import (
	"bytes"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Format is how metrics are written.
type Format bool

// The formats there are.
const (
	Text        Format = false // Prometheus, version 0.0.4
	OpenMetrics Format = true  // version 1.0.0
)

// ContentType is what HTTP calls the format.
func (f Format) ContentType() string {
	if f == OpenMetrics {
		return "application/openmetrics-text; version=1.0.0; charset=utf-8"
	}
	return "text/plain; version=0.0.4; charset=utf-8"
}

// metricType is the type of a family of metrics.
type metricType string

const (
	counter       metricType = "counter" // its name ends in _total
	gauge         metricType = "gauge"
	histogramType metricType = "histogram"
)

// family is metrics of one name, which differ in their labels.
type family struct {
	name string
	kind metricType
	help string
}

// exposition is metrics as text. Because the libraries that write it bring protobuf, which
// calls methods by name, and so two megabytes and 1.7 MB of memory to each process of
// ebpftop, it is written here; tests have those libraries read it.
type exposition struct {
	text   bytes.Buffer
	format Format
	begun  string // the name of the family at hand
}

// add adds a metric of a family, whose metrics all come one after the other.
func (e *exposition) add(f *family, value float64, labels ...string) {
	if e.begun != f.name {
		e.begun = f.name
		e.describe(f)
	}
	e.line(f.name, value, labels...)
}

// line writes a metric. Labels are names and values in turn; a label without a value is left out.
func (e *exposition) line(name string, value float64, labels ...string) {
	e.text.WriteString(name)
	separator := byte('{')
	for i := 0; i < len(labels); i += 2 {
		if labels[i+1] == "" {
			continue
		}
		e.text.WriteByte(separator)
		separator = ','
		e.text.WriteString(labels[i])
		e.text.WriteString(`="`)
		e.text.WriteString(escapeLabel(labels[i+1]))
		e.text.WriteByte('"')
	}
	if separator == ',' {
		e.text.WriteByte('}')
	}
	e.text.WriteByte(' ')
	e.text.Write(appendNumber(e.text.AvailableBuffer(), value))
	e.text.WriteByte('\n')
}

// describe writes what a family is. OpenMetrics calls counters what they count, without
// _total. No help text has anything to escape.
func (e *exposition) describe(f *family) {
	name := f.name
	if e.format == OpenMetrics {
		name = strings.TrimSuffix(name, "_total")
	}
	for _, word := range []string{"# HELP ", name, " ", f.help, "\n# TYPE ", name, " ", string(f.kind), "\n"} {
		e.text.WriteString(word)
	}
}

// end returns the text.
func (e *exposition) end() []byte {
	if e.format == OpenMetrics {
		e.text.WriteString("# EOF\n")
	}
	return e.text.Bytes()
}

var labelEscapes = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`)

// escapeLabel is a label's value as both formats have it. It must be UTF-8.
func escapeLabel(value string) string {
	if !utf8.ValidString(value) {
		value = strings.ToValidUTF8(value, "\ufffd")
	}
	return labelEscapes.Replace(value)
}

// appendNumber appends a number with as many digits as tell it apart, whole ones without an
// exponent.
func appendNumber(b []byte, value float64) []byte {
	if value == math.Trunc(value) && math.Abs(value) < 1<<53 {
		return strconv.AppendInt(b, int64(value), 10)
	}
	return strconv.AppendFloat(b, value, 'g', -1, 64)
}
