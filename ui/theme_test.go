package ui

import (
	"image/color"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/ansi"

	"github.com/ebpftop/ebpftop/ui/internal/fake"
)

// Backgrounds that terminals have: of xterm and the Linux console, of Solarized, of GNOME.
var (
	darkBackgrounds  = []string{"#000000", "#002b36", "#171421"}
	lightBackgrounds = []string{"#ffffff", "#fdf6e3"}
)

// consolePalette is what the Linux console has, which has no more than sixteen colours.
var consolePalette = []string{
	"#000000", "#aa0000", "#00aa00", "#aa5500", "#0000aa", "#aa00aa", "#00aaaa", "#aaaaaa",
	"#555555", "#ff5555", "#55ff55", "#ffff55", "#5555ff", "#ff55ff", "#55ffff", "#ffffff",
}

// luminance and contrast are as WCAG 2 defines them.
func luminance(c color.Color) float64 {
	r, g, b, _ := c.RGBA()
	linear := func(v uint32) float64 {
		s := float64(v) / 0xffff
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(r) + 0.7152*linear(g) + 0.0722*linear(b)
}

func contrast(a, b color.Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// inksOf are all that the styles paint with, by name.
func inksOf(t *testing.T, s styleSet) map[string]color.Color {
	inks := make(map[string]color.Color)
	v := reflect.ValueOf(s)
	for i := range v.NumField() {
		if field := v.Field(i); field.Type() == reflect.TypeFor[ink]() {
			paint := field.String()
			index := regexp.MustCompile(`38;5;(\d+)`).FindStringSubmatch(paint)
			if index == nil {
				t.Errorf("%s has no colour of its own: %q", v.Type().Field(i).Name, paint)
				continue
			}
			n, _ := strconv.Atoi(index[1])
			inks[v.Type().Field(i).Name] = ansi.IndexedColor(n)
		}
	}
	help := reflect.ValueOf(s.Help)
	for i := range help.NumField() {
		if style := help.Field(i).Interface().(lipgloss.Style); style.GetForeground() != (lipgloss.NoColor{}) {
			inks["Help."+help.Type().Field(i).Name] = style.GetForeground()
		}
	}
	return inks
}

// TestContrast: each ink of a theme can be read on each background that it is made for.
func TestContrast(t *testing.T) {
	for theme, made := range map[Theme]struct {
		backgrounds []string
		least       float64
	}{
		ThemeDark:         {darkBackgrounds, 4.5},
		ThemeLight:        {lightBackgrounds, 4.5},
		ThemeHighContrast: {darkBackgrounds, 7},
	} {
		inks := inksOf(t, newStyles(theme, false))
		if len(inks) < 20 {
			t.Errorf("%s: only %d inks", theme, len(inks))
		}
		for name, ink := range inks {
			for _, background := range made.backgrounds {
				if got := contrast(ink, lipgloss.Color(background)); got < made.least {
					t.Errorf("%s: %s has %.1f on %s, want %.1f", theme, name, got, background, made.least)
				}
			}
			if theme == ThemeLight {
				continue // the console is dark
			}
			index, ok := colorprofile.ANSI.Convert(ink).(ansi.BasicColor)
			if !ok {
				t.Fatalf("%T", colorprofile.ANSI.Convert(ink))
			}
			if got := contrast(lipgloss.Color(consolePalette[index]), color.Black); got < 4.5 {
				t.Errorf("%s: %s is colour %d on the console, and has %.1f there", theme, name, index, got)
			}
		}
	}
	if got := contrast(color.White, color.Black); math.Abs(got-21) > 0.01 {
		t.Errorf("white on black has %.2f", got)
	}
}

// TestThemeMono sends no colour at all, and nothing faint.
func TestThemeMono(t *testing.T) {
	source := fake.NewSource()
	u := startWith(t, 120, 40, source, source, func(ascii bool) styleSet { return newStyles(ThemeMono, ascii) })
	u.feed(livelySamples(5)...)
	if found := regexp.MustCompile(`\x1b\[(?:\d+;)*(?:2|3\d|4[0-8]|9\d|10\d)(?:;\d+)*m`).FindString(u.output()); found != "" {
		t.Errorf("%q was sent", found)
	}
}

// TestThemeEverywhere: no text has a colour that the theme did not choose.
func TestThemeEverywhere(t *testing.T) {
	o := detailed(connectionsAt)
	o.m.styles = newStyles(ThemeDark, false)
	check := func() {
		t.Helper()
		for _, line := range o.m.lines() {
			isPainted := false
			for line != "" {
				if rest, ok := strings.CutPrefix(line, "\x1b["); ok {
					codes, after, _ := strings.Cut(rest, "m")
					line, isPainted = after, strings.Contains(codes, "38;5;") || codes != "" && isPainted
					continue
				}
				if line[0] != ' ' && !isPainted {
					t.Fatalf("not painted: %q", line)
				}
				line = line[1:]
			}
		}
	}
	for _, keys := range []string{"", "/x", "\x1b", "?", "sort", "\x1b", "\x1b", "z", "z", "o", "o", "\r", "\x1b", "a"} {
		for _, r := range keys {
			switch r {
			case '\r':
				o.press(tea.Key{Code: tea.KeyEnter})
			case '\x1b':
				o.press(tea.Key{Code: tea.KeyEscape})
			default:
				o.press(tea.Key{Code: r, Text: string(r)})
			}
			o.show(nil)
			check()
		}
	}
}
