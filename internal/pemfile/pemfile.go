// Package pemfile reads PEM files of a bounded size (docs/SPEC.md, "TLS
// identities and registered peers", and the origin root of "Certificates").
package pemfile

import (
	"encoding/pem"
	"fmt"
	"io"
	"os"
)

// MaxSize is the size of the largest file that is read, in bytes.
const MaxSize = 64 << 10

// Read returns the blocks of a file that holds at least one, and nothing but
// blocks of one type. Whoever reads a private key wipes it.
func Read(path, typ string) ([][]byte, error) {
	// Opening a pipe could wait for ever.
	if st, err := os.Stat(path); err != nil {
		return nil, err
	} else if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	defer clear(text)
	if err != nil {
		return nil, err
	}
	if len(text) > MaxSize {
		return nil, fmt.Errorf("%s: larger than 64 KiB", path)
	}
	var blocks [][]byte
	for rest := text; ; {
		var b *pem.Block
		if b, rest = pem.Decode(rest); b == nil {
			break
		}
		blocks = append(blocks, b.Bytes)
		if b.Type != typ {
			wipe(blocks)
			return nil, fmt.Errorf("%s: holds a PEM block %q; a file of %q alone is wanted", path, b.Type, typ)
		}
	}
	if len(blocks) == 0 {
		return nil, fmt.Errorf("%s: holds no PEM block %q", path, typ)
	}
	return blocks, nil
}

// One is Read for a file of exactly one block.
func One(path, typ string) ([]byte, error) {
	blocks, err := Read(path, typ)
	if err != nil {
		return nil, err
	}
	if len(blocks) != 1 {
		wipe(blocks)
		return nil, fmt.Errorf("%s: a file of exactly one PEM block %q is wanted", path, typ)
	}
	return blocks[0], nil
}

func wipe(blocks [][]byte) {
	for _, b := range blocks {
		clear(b)
	}
}
