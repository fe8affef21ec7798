package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// writeJSON writes a value and a newline, and nothing in it that a terminal would obey or
// hide.
func writeJSON(out io.Writer, value any, indent string) error {
	text, err := encodeJSON(value, indent)
	if err == nil {
		_, err = out.Write(append(text, '\n'))
	}
	return err
}

// encodeJSON returns what writeJSON writes before the newline.
func encodeJSON(value any, indent string) ([]byte, error) {
	var text bytes.Buffer
	encoder := json.NewEncoder(&text)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(value); err != nil {
		return nil, err
	}
	return escapeInvisible(bytes.TrimSuffix(text.Bytes(), []byte("\n"))), nil
}

// escapeInvisible writes as \u escapes the characters that JSON leaves alone but a
// terminal may obey: DEL, C1 controls, and those that reorder or hide text.
// They can stand in strings only, so the value stays the same.
func escapeInvisible(text []byte) []byte {
	if bytes.IndexFunc(text, invisible) < 0 {
		return text
	}
	escaped := make([]byte, 0, 2*len(text))
	for _, r := range string(text) {
		switch {
		case !invisible(r):
			escaped = utf8.AppendRune(escaped, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			escaped = fmt.Appendf(escaped, `\u%04x\u%04x`, high, low)
		default:
			escaped = fmt.Appendf(escaped, `\u%04x`, r)
		}
	}
	return escaped
}

func invisible(r rune) bool {
	return r != '\n' && (!unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector))
}

// notNil makes an absent list an empty one: [] in JSON, not null.
func notNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
