package logs

import (
	"bytes"
	"io"
)

// journal is standard error where systemd's journal reads it: a number in front of
// each line says how much it matters.
type journal struct{ io.Writer }

// priorities are syslog's, by the word of the level.
var priorities = map[string]string{"ERROR": "<3>", "WARN": "<4>", "INFO": "<6>", "TRACE": "<7>"}

func (j journal) Write(p []byte) (int, error) {
	var out []byte
	for line := range bytes.Lines(p) {
		_, rest, _ := bytes.Cut(line, []byte(" level="))
		word, _, _ := bytes.Cut(rest, []byte(" "))
		out = append(out, priorities[string(word)]...)
		out = append(out, line...)
	}
	if _, err := j.Writer.Write(out); err != nil {
		return 0, err
	}
	return len(p), nil
}
