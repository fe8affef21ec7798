package ui

import "slices"

// pastFilters are filters that were kept before, the latest last, for the arrows.
type pastFilters struct {
	texts []string
	at    int // the one in the line; len(texts): what is typed
	typed string
}

const mostPastFilters = 50

// add remembers a filter that is kept.
func (p *pastFilters) add(text string) {
	if text != "" {
		p.texts = slices.DeleteFunc(p.texts, func(other string) bool { return other == text })
		p.texts = append(p.texts, text)
		p.texts = p.texts[max(0, len(p.texts)-mostPastFilters):]
	}
	p.at = len(p.texts)
}

// step returns the filter before the one in the line, or the one after it: behind the latest
// is what was typed.
func (p *pastFilters) step(line string, older bool) string {
	if p.at == len(p.texts) {
		p.typed = line
	}
	if older {
		p.at = max(0, p.at-1)
	} else {
		p.at = min(len(p.texts), p.at+1)
	}
	if p.at == len(p.texts) {
		return p.typed
	}
	return p.texts[p.at]
}
