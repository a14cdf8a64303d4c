package main

import (
	"fmt"
	"slices"
	"strings"

	"openped/hsmcm"
	"openped/internal/cmdline"
	"openped/internal/daemon"
	"openped/internal/setting"
	softped "openped/softped/cli"
)

// grammar is what a shell has to know of a program's command line. The words
// typed so far are the state ("mode start"), and each state has its candidates.
type grammar struct {
	prog   string
	tops   []top // options that begin a command, as -mode does
	states []state
	values []value
}

type top struct{ name, short string }

// state is how far a command line is.
type state struct {
	words string
	offer []candidate
}

// candidate is what can come next: a word, or a flag with its dash.
type candidate struct{ text, about string }

// value is a flag that is followed by one.
type value struct {
	flag  string
	what  offerOf
	words []string
}

// offerOf is what a shell offers for a value.
type offerOf uint8

const (
	anything offerOf = iota // nobody can guess it
	words
	file
	folder
	device // usb, usb:SERIAL, unix:PATH
	socket // unix:PATH
)

// grammars are the programs', made from the tables that they themselves work by.
func grammars() map[string]*grammar {
	return map[string]*grammar{
		"pedserver": daemonGrammar(daemons["pedserver"]), "pedclient": daemonGrammar(daemons["pedclient"]),
		"softped": softpedGrammar(), "hsmcm": consoleGrammar(),
	}
}

var asking = []candidate{{"-help", "what there is"}, {"-version", "the version"}}

func daemonGrammar(p *daemon.Program) *grammar {
	g := &grammar{prog: p.Name}
	for _, c := range p.Commands {
		if !slices.ContainsFunc(g.tops, func(t top) bool { return t.name == c.Top }) {
			t := top{name: c.Top}
			if c.Top == "mode" {
				t.short = "m"
			}
			g.tops = append(g.tops, t)
			g.offer("", "-"+c.Top, topAbout(p, c.Top))
		}
		line := c.Top
		if c.Word != "" {
			g.offer(c.Top, c.Word, commandAbout(c))
			line += " " + c.Word
		}
		for _, s := range p.Table {
			if listed(s, c) {
				g.offer(line, "-"+s.Name, s.Usage)
			}
		}
		g.offer(line, "-help", "about this command")
	}
	g.offers("", asking...)
	for _, s := range p.Table {
		if s.Value == "" {
			continue
		}
		v := value{flag: s.Name, words: slices.Clone(s.Words)}
		switch {
		case s.Kind == setting.Path && s.Value == "folder":
			v.what = folder
		case s.Kind == setting.Path:
			v.what = file
		case s.Kind == setting.Word:
			v.what = words
		case s.Kind == setting.Bit:
			v.what, v.words = words, []string{"0", "1"}
		case s.Kind == setting.Int && s.Max-s.Min < 3:
			v.what = words
			for n := s.Min; n <= s.Max; n++ {
				v.words = append(v.words, fmt.Sprint(n))
			}
		case s.Name == "peddevice":
			v.what = device
		}
		for _, name := range append([]string{s.Name}, s.Aliases...) {
			v.flag = name
			g.values = append(g.values, v)
		}
	}
	return g
}

// listed reports whether the help of a command lists a setting.
func listed(s *setting.Setting, c daemon.Command) bool {
	line := strings.TrimSpace(c.Top + " " + c.Word)
	if c.Top == "mode" {
		line = c.Word
	}
	return slices.Contains(s.In, line)
}

// commandAbout is the first sentence of a command's help.
func commandAbout(c daemon.Command) string {
	for _, bl := range blocks(c.Help) {
		text := strings.Join(strings.Fields(bl.text), " ")
		if bl.kind != prose || strings.HasPrefix(text, "-") || strings.HasPrefix(strings.ToLower(text), "usage") || strings.HasPrefix(text, "ped") {
			continue
		}
		text, _, _ = strings.Cut(text, ". ")
		if r := []rune(text); len(r) > maxAbout {
			short := string(r[:maxAbout])
			text = short[:strings.LastIndexByte(short, ' ')] + " …"
		}
		return strings.TrimRight(text, ".:,")
	}
	return ""
}

const aboutService = "a service of this computer"

// maxAbout is how much fits beside a word in a list.
const maxAbout = 90

func topAbout(p *daemon.Program, name string) string {
	switch name {
	case "mode":
		return "what the daemon is to do"
	case "service":
		return aboutService
	}
	for _, c := range p.Commands {
		if c.Top == name && c.Word == "" {
			return commandAbout(c)
		}
	}
	return "who is registered"
}

// softpedGrammar: softped has flags, and nothing before them but -service.
func softpedGrammar() *grammar {
	g := &grammar{prog: "softped", tops: []top{{name: "service"}}, values: []value{{flag: "name"}}}
	g.offer("", "-service", aboutService)
	for _, word := range softped.ServiceWords {
		g.offer("service", word, "")
		g.offer("service "+word, "-name", "which one (softped)")
	}
	for _, f := range softped.Flags() {
		g.offer("", "-"+f.Name, f.Usage)
		g.offer("service install", "-"+f.Name, f.Usage)
		for _, name := range append([]string{f.Name}, f.Aliases...) {
			if f.Value != "" {
				g.values = append(g.values, flagValue(name, f))
			}
		}
	}
	return g
}

// flagValue tells by what a value is called what a shell can offer for it.
func flagValue(name string, f *cmdline.Flag) value {
	v := value{flag: name}
	switch {
	case f.Value == "folder":
		v.what = folder
	case f.Value == "file" || f.Value == "path":
		v.what = file
	case strings.HasPrefix(f.Value, "unix:"):
		v.what = socket
	case f.Value == "0 or 1":
		v.what, v.words = words, []string{"0", "1"}
	case strings.Contains(f.Value, "|"):
		v.what, v.words = words, strings.Split(f.Value, "|")
	case f.Name == "keycost":
		v.what, v.words = words, []string{f.Value}
	}
	return v
}

// consoleGrammar: hsmcm has commands of up to three words, and flags behind them.
func consoleGrammar() *grammar {
	g := &grammar{prog: "hsmcm"}
	seen := map[string]bool{}
	for _, c := range hsmcm.Describe() {
		w := strings.Fields(c.Name)
		for i := range w {
			before, about := strings.Join(w[:i], " "), ""
			if i == len(w)-1 {
				about = c.Summary
			}
			g.offer(before, w[i], about)
		}
		for _, f := range c.Flags {
			g.offer(c.Name, "-"+f.Name, f.Summary)
			if f.Value == "" || seen[f.Name] {
				continue
			}
			seen[f.Name] = true
			v := value{flag: f.Name}
			switch f.Name {
			case "peddevice":
				v.what = device
			case "name":
				v.what, v.words = words, []string{"so"}
			}
			g.values = append(g.values, v)
		}
	}
	g.offers("", candidate{"-socket", "pedclient's socket"}, candidate{"-instance", "the service that is meant"}, candidate{"-slot", "the slot that commands act on"})
	g.offers("", asking...)
	g.values = append(g.values, value{flag: "socket", what: file})
	return g
}

func (g *grammar) offers(at string, list ...candidate) {
	for _, c := range list {
		g.offer(at, c.text, c.about)
	}
}

// offer adds a candidate to a state, once.
func (g *grammar) offer(at, text, about string) {
	i := slices.IndexFunc(g.states, func(s state) bool { return s.words == at })
	if i < 0 {
		i = len(g.states)
		g.states = append(g.states, state{words: at})
	}
	offer := &g.states[i].offer
	if j := slices.IndexFunc(*offer, func(c candidate) bool { return c.text == text }); j >= 0 {
		if (*offer)[j].about == "" {
			(*offer)[j].about = about
		}
		return
	}
	*offer = append(*offer, candidate{text, about})
}

// flagsOf returns the flags whose value is of a kind, or of these words.
func (g *grammar) flagsOf(what offerOf) (flags []string) {
	for _, v := range g.values {
		if v.what == what {
			flags = append(flags, "-"+v.flag)
		}
	}
	return flags
}

// allValues are all flags that are followed by a value.
func (g *grammar) allValues() (flags []string) {
	for _, v := range g.values {
		flags = append(flags, "-"+v.flag)
	}
	return flags
}

// known are the states with words in them.
func (g *grammar) known() (list []string) {
	for _, s := range g.states {
		if s.words != "" {
			list = append(list, s.words)
		}
	}
	return list
}
