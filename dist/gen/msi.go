package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"time"
)

// guidCommand makes a GUID from words: the same ones give the same.
func guidCommand(args []string) (string, error) {
	if len(args) == 0 {
		return "", errUsage
	}
	return guid(strings.Join(args, "\x00")) + "\n", nil
}

func guid(text string) string {
	b := sha256.Sum256([]byte("openped " + text))
	b[6] = b[6]&0x0f | 0x80 // version 8: of a making of one's own
	b[8] = b[8]&0x3f | 0x80
	return strings.ToUpper(fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:16]))
}

// stampCommand gives a .msi the time of everything. The tool that writes it has no
// word for that.
func stampCommand(args []string) (string, error) {
	if len(args) != 1 {
		return "", errUsage
	}
	at, err := epoch()
	if err != nil {
		return "", err
	}
	cmd := exec.Command("msiinfo", "suminfo", args[0])
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	info, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("msiinfo: %w", err)
	}
	b, err := os.ReadFile(args[0])
	if err != nil {
		return "", err
	}
	if b, err = stamp(b, string(info), at); err != nil {
		return "", err
	}
	return "", os.WriteFile(args[0], b, 0o644)
}

var msiTime = regexp.MustCompile(`(?m)^(?:Created|Last saved): (.*)$`)

var errStamp = errors.New("the time when it was made is not where it should be")

// stamp puts a time in place of the two that msiinfo tells of.
func stamp(msi []byte, info string, at time.Time) ([]byte, error) {
	found := msiTime.FindAllStringSubmatch(info, -1)
	if len(found) != 2 {
		return nil, errStamp
	}
	for _, m := range found {
		t, err := time.Parse("Mon Jan _2 15:04:05 2006", strings.TrimSpace(m[1]))
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStamp, err)
		}
		old := filetime(t)
		if n := bytes.Count(msi, old); n < 1 || n > 2 {
			if bytes.Contains(msi, filetime(at)) {
				continue // the other was the same
			}
			return nil, errStamp
		}
		msi = bytes.ReplaceAll(msi, old, filetime(at))
	}
	return msi, nil
}

// filetime is a property of the type FILETIME: Windows' ticks of 100 ns since 1601.
func filetime(t time.Time) []byte {
	const typeFiletime, between = 0x40, 11644473600
	b := binary.LittleEndian.AppendUint32(nil, typeFiletime)
	return binary.LittleEndian.AppendUint64(b, uint64(t.Unix()+between)*1e7)
}
