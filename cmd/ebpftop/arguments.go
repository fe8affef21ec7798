package main

import (
	"errors"
	"fmt"
	"net"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// helpWord is an argument that asks for help, as --help does.
const helpWord = "help"

// newHelpCommand is `help`: below ebpftop, and below a command that has others.
func newHelpCommand() *cobra.Command {
	return &cobra.Command{
		Use:    helpWord + " [COMMAND]",
		Short:  "Show the help of a command",
		Hidden: true, // --help is what the help says
		RunE: func(cmd *cobra.Command, args []string) error {
			about, rest, err := cmd.Parent().Find(args)
			if err != nil || len(rest) > 0 {
				return wrongUse(errUnknownCommand(cmd.Parent(), strings.Join(args, " ")))
			}
			return about.Help()
		},
	}
}

// noArguments is for commands that take none: all said is in flags.
func noArguments(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case args[0] == helpWord:
		return pflag.ErrHelp
	case cmd.HasSubCommands():
		return errUnknownCommand(cmd, args[0])
	case cmd.Flags().Lookup("interface") != nil && isInterface(args[0]):
		return errInterfaceWithoutFlag(cmd, args[0])
	}
	return fmt.Errorf("%q: %s takes flags only: `%[2]s --help` lists them", args[0], cmd.CommandPath())
}

// errUnknownCommand says what may have been meant.
func errUnknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = lettersWrong
	switch similar := cmd.SuggestionsFor(name); {
	case !cmd.HasParent() && isInterface(name):
		return errInterfaceWithoutFlag(cmd, name)
	case len(similar) > 0:
		return fmt.Errorf("unknown command %q: did you mean `%s %s`?", name, cmd.CommandPath(), similar[0])
	}
	return fmt.Errorf("unknown command %q: `%s --help` lists those there are", name, cmd.CommandPath())
}

// lettersWrong is how many letters of a word may be wrong for another one to be meant.
const lettersWrong = 2

func errInterfaceWithoutFlag(cmd *cobra.Command, name string) error {
	return fmt.Errorf("%q is an interface: did you mean `%s -i %s`?", name, cmd.CommandPath(), name)
}

func isInterface(name string) bool {
	_, err := net.InterfaceByName(name)
	return err == nil
}

// onePair takes the two interfaces of a pair.
func onePair(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 2:
		return interfaceNames(cmd, args)
	case len(args) == 1 && args[0] == helpWord:
		return pflag.ErrHelp
	}
	return fmt.Errorf("name the two interfaces to connect: %s A B", cmd.CommandPath())
}

// pairOrEnd takes one end of a pair, or both.
func pairOrEnd(cmd *cobra.Command, args []string) error {
	if len(args) != 1 && len(args) != 2 {
		return fmt.Errorf("name an interface of the pair, or both: %s A B", cmd.CommandPath())
	}
	return interfaceNames(cmd, args)
}

// oneFile takes the name of a file, which may also be given by -f.
func oneFile(path *string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		isNamed := cmd.Flags().Changed("file")
		switch {
		case len(args) == 1 && args[0] == helpWord:
			return pflag.ErrHelp
		case len(args) == 1 && !isNamed:
			*path = args[0]
		case len(args) > 0:
			return fmt.Errorf("%q: name one file: %s -f FILE", args[len(args)-1], cmd.CommandPath())
		case !isNamed:
			return fmt.Errorf("name a file of links: %s -f FILE", cmd.CommandPath())
		}
		if *path == "" {
			return errors.New("the name of the file of links is empty: name one")
		}
		return nil
	}
}
