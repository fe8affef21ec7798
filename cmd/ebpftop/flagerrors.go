package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// flagError says what is wrong with a flag in words of the command line. The library's name
// the functions of Go that the value was given to.
func flagError(cmd *cobra.Command, err error) error {
	if _, ok := errors.AsType[*pflag.InvalidValueError](err); ok {
		return explainFlag(err)
	}
	if unknown, ok := errors.AsType[*pflag.NotExistError](err); ok {
		name := "--" + unknown.GetSpecifiedName()
		if unknown.GetSpecifiedShortnames() != "" {
			name = "-" + unknown.GetSpecifiedName()
		}
		if similar := similarFlag(cmd, unknown.GetSpecifiedName()); similar != "" {
			return fmt.Errorf("unknown flag %s: did you mean --%s?", name, similar)
		}
		return fmt.Errorf("unknown flag %s: `%s --help` lists those there are", name, cmd.CommandPath())
	}
	if missing, ok := errors.AsType[*pflag.ValueRequiredError](err); ok {
		value, _ := pflag.UnquoteUsage(missing.GetFlag())
		return fmt.Errorf("%s needs a value: %[1]s %s", flagName(missing.GetFlag()), value)
	}
	if malformed, ok := errors.AsType[*pflag.InvalidSyntaxError](err); ok {
		return fmt.Errorf("%q is no flag: `%s --help` lists those there are", malformed.GetSpecifiedFlag(), cmd.CommandPath())
	}
	return err
}

// similarFlag returns the flag of the command that may have been meant, "" if none is like it.
func similarFlag(cmd *cobra.Command, name string) string {
	if len(name) < 2 { // a letter is like all others
		return ""
	}
	// The library suggests commands alone, so flags are handed to it as such.
	flags := &cobra.Command{SuggestionsMinimumDistance: lettersWrong}
	cmd.Flags().VisitAll(func(flag *pflag.Flag) {
		if flag.Name != "help" {
			flags.AddCommand(&cobra.Command{Use: flag.Name, Run: func(*cobra.Command, []string) {}})
		}
	})
	if similar := flags.SuggestionsFor(name); len(similar) > 0 {
		return similar[0]
	}
	return ""
}

// explainFlag says which values a flag takes that was given another.
func explainFlag(err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	return fmt.Errorf("%s %q: %s", flagName(invalid.GetFlag()), invalid.GetValue(), remedyFor(invalid))
}

// explainSetting is explainFlag for a flag that a file of settings, or the environment, sets.
func explainSetting(err error) error {
	invalid, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	remedy := remedyFor(invalid)
	if invalid.GetFlag().Value.Type() == "bool" {
		remedy = "use true or false"
	}
	return fmt.Errorf("%s %q: %s", invalid.GetFlag().Name, invalid.GetValue(), remedy)
}

// flagName is how people write the flag: by its letter if it has one.
func flagName(flag *pflag.Flag) string {
	if flag.Shorthand != "" {
		return "-" + flag.Shorthand
	}
	return "--" + flag.Name
}

// remedyFor says what values the flag takes.
func remedyFor(err *pflag.InvalidValueError) string {
	switch kind := err.GetFlag().Value.Type(); {
	case kind == "duration":
		return "use a time with its unit, such as 500ms, 5s or 2m"
	case kind == "bool":
		return "it takes no value"
	case kind == "intSlice":
		return "use numbers from 1 to 65535, such as 443 or 80,443"
	case kind == "stringToString":
		return "use NAME=TIME, such as tcp=5m"
	case errors.Is(err, strconv.ErrRange):
		return "the number is too large: use a smaller one"
	}
	return "use a whole number from 1 on"
}

// errTogether returns an error if a flag was given together with one of others, with
// which it makes no sense.
func errTogether(cmd *cobra.Command, name string, others ...string) error {
	if !isGiven(cmd, name) {
		return nil
	}
	for _, other := range others {
		if isGiven(cmd, other) {
			return wrongUse(fmt.Errorf("--%s and --%s: use one of them", name, other))
		}
	}
	return nil
}

// isGiven tells whether a flag was given, and not to say no (--json=false).
func isGiven(cmd *cobra.Command, name string) bool {
	flag := cmd.Flags().Lookup(name)
	return flag.Changed && (flag.Value.Type() != "bool" || flag.Value.String() != "false")
}

// errEmpty returns an error if a flag was given an empty value, as by a script whose variable
// is not set.
func errEmpty(cmd *cobra.Command, name string) error {
	flag := cmd.Flags().Lookup(name)
	if !flag.Changed || strings.TrimSpace(flag.Value.String()) != "" {
		return nil
	}
	value, _ := pflag.UnquoteUsage(flag)
	return wrongUse(fmt.Errorf("%s \"\": it needs a %s, or leave it out", flagName(flag), value))
}
