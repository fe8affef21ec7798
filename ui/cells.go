package ui

// numbers is the cell of a column of rates or totals.
func numbers[R any](of func(*R) float64) func(slot, *R) cell {
	return func(at slot, row *R) cell { return number(at.styles, of(row)) }
}

// rates is the cell of a column of rates in bit/s, see column.isRate.
func rates[R any](of func(*R) float64) func(slot, *R) cell {
	return func(at slot, row *R) cell { return at.styles.rate(of(row)) }
}

// amounts is the cell of a column of bytes.
func amounts[R any](of func(*R) uint64) func(slot, *R) cell {
	return func(at slot, row *R) cell {
		n := float64(of(row))
		return moving(at.styles, at.styles.units.base().column(n), n)
	}
}

// rate is a rate in bit/s.
func (s *styleSet) rate(bps float64) cell {
	return moving(s, s.units.base().column(s.units.of(bps)), bps)
}

// faint is the cell of a column of text that matters less.
func faint[R any](of func(*R) string) func(slot, *R) cell {
	return func(at slot, row *R) cell { return cell{text: of(row), ink: at.styles.Faint} }
}

// number is a rate, zero less conspicuous than what moves.
func number(s *styleSet, v float64) cell { return moving(s, siColumn(v), v) }

func moving(s *styleSet, text string, v float64) cell {
	if v == 0 {
		return cell{text: text, ink: s.Faint}
	}
	return cell{text: text, ink: s.Text}
}

// trouble is a count that should be zero.
func trouble(s *styleSet, n uint64) cell {
	c := number(s, float64(n))
	if n > 0 {
		c.ink = s.Warn
	}
	return c
}
