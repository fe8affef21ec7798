package ui

import "math"

// sparkliner draws a row of values, the last one at the right end. Negative
// values are moments nothing is known of. Ours is all the screen needs; a
// charting library would fit behind the same method.
type sparkliner interface {
	line(values []float64, width int) string
}

// blockSparkline draws each value as one cell, in steps of the glyphs given.
type blockSparkline struct{ steps []rune }

func (s blockSparkline) line(values []float64, width int) string {
	if width <= 0 {
		return ""
	}
	if len(values) > width {
		values = values[len(values)-width:]
	}
	top := highest(values)
	out := make([]rune, 0, width)
	for range width - len(values) {
		out = append(out, ' ')
	}
	for _, v := range values {
		if !(v > 0) { // also NaN
			out = append(out, ' ')
			continue
		}
		step := int(math.Ceil(v/top*float64(len(s.steps)))) - 1
		out = append(out, s.steps[min(max(step, 0), len(s.steps)-1)])
	}
	return string(out)
}

// highest is the highest of values, 0 at least; max would not do with NaN.
func highest(values []float64) float64 {
	top := 0.0
	for _, v := range values {
		if v > top {
			top = v
		}
	}
	return top
}

// bar draws a share of one, in half cells where there is a glyph for it.
func bar(styles *styleSet, share float64, width int, plain bool) string {
	g := &styles.glyphs
	halves := 0
	if share > 0 {
		halves = max(1, int(math.Round(min(share, 1)*float64(2*width))))
	}
	full, rest := "", ""
	for range halves / 2 {
		full += g.Bar
	}
	if halves%2 == 1 {
		full += g.BarHalf
	}
	for range width - (halves+1)/2 {
		rest += g.BarRest
	}
	if plain {
		return full + rest
	}
	return styles.Bar.Paint(full) + styles.BarRest.Paint(rest)
}

// columnChart draws values as columns over several rows, the last value at the
// right end, top being the upper edge.
func columnChart(g *glyphs, values []float64, top float64, width, height int) []string {
	steps := len(g.Spark) + 1
	out := make([]string, height)
	for row := range height {
		line := make([]rune, 0, width)
		for range width - len(values) {
			line = append(line, ' ')
		}
		floor := (height - 1 - row) * steps
		for _, v := range values {
			level := 0
			if v > 0 && top > 0 {
				level = max(1, int(math.Round(v/top*float64(height*steps))))
			}
			switch part := level - floor; {
			case part <= 0:
				line = append(line, ' ')
			case part >= steps:
				line = append(line, g.Full)
			default:
				line = append(line, g.Spark[part-1])
			}
		}
		out[row] = string(line)
	}
	return out
}

// roundUp is the next of 1, 2, 5, 10, ...: a scale that seldom changes.
func roundUp(v float64) float64 {
	if !(v > 0) || math.IsInf(v, 0) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5} {
		if v <= step*power {
			return step * power
		}
	}
	return 10 * power
}
