package ui

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"
)

// Theme is what colours the screen is painted in.
type Theme string

// The themes. ThemeTerminal has the terminal's own sixteen colours, which its user has chosen;
// how well those can be read is up to him. Each of the others is made for backgrounds of a
// kind, and its colours are the same on all terminals that have 256.
const (
	ThemeTerminal     Theme = "terminal"
	ThemeDark         Theme = "dark"
	ThemeLight        Theme = "light"
	ThemeHighContrast Theme = "high-contrast" // on dark backgrounds
	ThemeMono         Theme = "mono"          // bold, underlined and reversed alone
)

// AllThemes are those that ParseTheme knows.
var AllThemes = []Theme{ThemeTerminal, ThemeDark, ThemeLight, ThemeHighContrast, ThemeMono}

// ParseTheme returns what is called so.
func ParseTheme(name string) (Theme, error) {
	if theme := Theme(name); slices.Contains(AllThemes, theme) {
		return theme, nil
	}
	names := make([]string, len(AllThemes))
	for i, theme := range AllThemes {
		names[i] = string(theme)
	}
	return "", fmt.Errorf("%q: use %s or %s", name, strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// palette is what the inks of a theme are made of.
type palette struct {
	text, faint, accent, good, warn, bad lipgloss.Style
}

func (t Theme) palette() palette {
	plain := lipgloss.NewStyle()
	fg := func(c string) lipgloss.Style { return plain.Foreground(lipgloss.Color(c)) }
	switch t {
	case ThemeDark:
		return palette{text: fg("253"), faint: fg("248"), accent: fg("80"), good: fg("114"), warn: fg("221"), bad: fg("210")}
	case ThemeLight:
		return palette{text: fg("235"), faint: fg("240"), accent: fg("24"), good: fg("22"), warn: fg("94"), bad: fg("124")}
	case ThemeHighContrast:
		return palette{text: fg("231"), faint: fg("252"), accent: fg("123"), good: fg("120"), warn: fg("227"), bad: fg("224")}
	case ThemeMono:
		return palette{text: plain, faint: plain, accent: plain, good: plain, warn: plain.Bold(true), bad: plain.Underline(true)}
	}
	// Secondary text is faint, not grey: bright black is the background of some themes of
	// terminals.
	return palette{text: plain, faint: plain.Faint(true), accent: fg("6"), good: fg("2"), warn: fg("3"), bad: fg("1")}
}
