package hsmcm

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"strings"

	"golang.org/x/term"

	"openped/internal/secret"
	"openped/internal/tty"
)

// maxLine is the longest line read from a script, in bytes.
const maxLine = 4096

var (
	errInterrupted = errors.New("interrupted")
	errLineTooLong = errors.New("line too long")
)

// input reads lines from a terminal with line editing, or from a script, where
// it echoes what it reads so that a transcript shows prompt and command.
type input struct {
	src  *reader
	out  io.Writer
	echo bool // a script at the prompt: print what was read

	fd  int            // the terminal's, when tty is set
	to  uintptr        // and where it is written to
	tty *term.Terminal // nil for scripts
}

func newInput(stdin io.Reader, stdout io.Writer, echo bool) *input {
	in := &input{src: &reader{r: stdin}, out: stdout, echo: echo}
	inFile, ok1 := stdin.(*os.File)
	outFile, ok2 := stdout.(*os.File)
	if ok1 && ok2 && term.IsTerminal(int(inFile.Fd())) && term.IsTerminal(int(outFile.Fd())) {
		in.fd, in.to = int(inFile.Fd()), outFile.Fd()
		in.tty = in.newTerminal(nil)
	}
	return in
}

// newTerminal returns a line editor that goes on with a history, if given.
func (in *input) newTerminal(h term.History) *term.Terminal {
	t := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{in.src, in.out}, "")
	t.AutoCompleteCallback = complete
	if h != nil {
		t.History = h
	}
	if w, h, err := term.GetSize(int(in.to)); err == nil && w > 0 {
		_ = t.SetSize(w, h)
	}
	return t
}

// interactive reports whether a person types.
func (in *input) interactive() bool { return in.tty != nil }

// command reads one command line at the prompt; io.EOF at the end of input.
func (in *input) command(ctx context.Context, prompt string) (string, error) {
	return in.line(ctx, prompt, true)
}

// ask reads the answer to a question, which history does not keep.
func (in *input) ask(ctx context.Context, question string) (string, error) {
	return in.line(ctx, question, false)
}

func (in *input) line(ctx context.Context, prompt string, keep bool) (string, error) {
	in.src.ctx = ctx
	if in.tty == nil {
		return in.scriptLine(prompt)
	}
	restore, err := in.raw()
	if err != nil {
		return "", err
	}
	defer restore()
	history := in.tty.History
	if !keep {
		in.tty.History = noHistory{}
	}
	in.tty.SetPrompt(prompt)
	line, err := in.tty.ReadLine()
	in.tty.History = history
	if err != nil && !errors.Is(err, term.ErrPasteIndicator) {
		io.WriteString(in.out, "\r\n")
		in.tty = in.newTerminal(history) // the old one is still within its line
		if in.src.err != nil {
			err = in.src.err
		}
		return "", err
	}
	return line, nil
}

func (in *input) scriptLine(prompt string) (string, error) {
	if in.echo || prompt != promptText {
		io.WriteString(in.out, prompt)
	}
	line, err := in.src.line()
	if err != nil {
		if in.echo || prompt != promptText {
			io.WriteString(in.out, "\n")
		}
		return "", err
	}
	defer clear(line)
	if in.echo || prompt != promptText {
		io.WriteString(in.out, printable(string(line))+"\n")
	}
	return string(line), nil
}

// secret reads a line that is shown nowhere and kept in no string. The caller
// destroys it.
func (in *input) secret(ctx context.Context, prompt string) (*secret.Buffer, error) {
	in.src.ctx = ctx
	if in.tty == nil {
		io.WriteString(in.out, prompt)
		line, err := in.src.line()
		if prompt != "" {
			io.WriteString(in.out, "\n")
		}
		if err != nil {
			return nil, err
		}
		return secret.From(line), nil
	}
	restore, err := in.raw()
	if err != nil {
		return nil, err
	}
	defer restore()
	// Only now: what is typed at the sight of the prompt must not be echoed.
	io.WriteString(in.out, prompt)
	defer io.WriteString(in.out, "\r\n")
	line := make([]byte, 0, 64)
	defer func() { clear(line[:cap(line)]) }()
	for {
		var key [1]byte
		if _, err := in.src.Read(key[:]); err != nil {
			return nil, err
		}
		switch c := key[0]; {
		case c == '\r' || c == '\n':
			return secret.Copy(line), nil
		case c == 0x7f || c == '\b':
			if len(line) > 0 {
				line = line[:len(line)-1]
			}
		case c == 0x15: // Ctrl-U
			line = line[:0]
		case c == 0x04 && len(line) == 0: // Ctrl-D
			return nil, io.EOF
		case len(line) == cap(line):
			return nil, errLineTooLong
		default:
			line = append(line, c)
		}
	}
}

// raw puts the terminal into raw mode until restore is called: between lines
// the terminal is an ordinary one, where Ctrl-C is a signal.
func (in *input) raw() (restore func(), err error) {
	cooked, err := tty.Raw(uintptr(in.fd), in.to)
	if err != nil {
		return nil, err
	}
	in.src.raw = true
	return func() {
		in.src.raw = false
		cooked()
	}, nil
}

type noHistory struct{}

func (noHistory) Add(string)    {}
func (noHistory) Len() int      { return 0 }
func (noHistory) At(int) string { panic("empty history") }

// reader reads r in a goroutine, one chunk when asked, so that a wait for
// input can be given up; what arrives later is kept for the next Read.
type reader struct {
	r   io.Reader
	ctx context.Context // of the present wait
	raw bool            // a terminal in raw mode: Ctrl-C arrives as a byte
	err error           // why the last Read failed

	rest    []byte
	chunks  chan chunk
	pending bool
	buf     [1024]byte
}

type chunk struct {
	b   []byte
	err error
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.read(p)
	r.err = err
	return n, err
}

func (r *reader) read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.chunks == nil {
			r.chunks = make(chan chunk, 1)
		}
		if !r.pending {
			r.pending = true
			go func() {
				n, err := r.r.Read(r.buf[:])
				r.chunks <- chunk{r.buf[:n], err}
			}()
		}
		select {
		case c := <-r.chunks:
			r.pending = false
			if len(c.b) == 0 && c.err != nil {
				return 0, c.err
			}
			r.rest = c.b
		case <-r.ctx.Done():
			return 0, context.Cause(r.ctx)
		}
	}
	if r.raw {
		if i := bytes.IndexByte(r.rest, 0x03); i == 0 {
			r.rest = r.rest[1:]
			return 0, errInterrupted
		} else if i > 0 && i < len(p) {
			p = p[:i] // first what was typed before it
		}
	}
	n := copy(p, r.rest)
	clear(r.rest[:n])
	r.rest = r.rest[n:]
	return n, nil
}

// line reads up to a line feed of a script. The caller clears it.
func (r *reader) line() ([]byte, error) {
	line := make([]byte, 0, maxLine)
	for {
		var c [1]byte
		_, err := r.Read(c[:])
		switch {
		case errors.Is(err, io.EOF) && len(line) > 0:
			return bytes.TrimSuffix(line, []byte("\r")), nil
		case err != nil:
			return nil, err
		case c[0] == '\n':
			return bytes.TrimSuffix(line, []byte("\r")), nil
		case len(line) == cap(line):
			clear(line)
			return nil, errLineTooLong
		}
		line = append(line, c[0])
	}
}

// split cuts a command line into words; quotes keep spaces together.
func split(line string) ([]string, error) {
	var words []string
	var word strings.Builder
	inWord := false
	quote := rune(0)
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote == 0 && (c == '"' || c == '\''):
			quote, inWord = c, true
		case quote == 0 && (c == ' ' || c == '\t'):
			if inWord {
				words = append(words, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(c)
			inWord = true
		}
	}
	if quote != 0 {
		return nil, usagef("a quote (%c) is not closed", quote)
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
