package atomicfile

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

var errProc = errors.New("unknown form of /proc")

// process returns when a process started, in ticks since the boot, and its user.
// Neither is hidden when core dumps are switched off.
func process(pid int) (start string, uid int, err error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return "", 0, err
	}
	// The name, in parentheses, may contain anything.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 20 {
		return "", 0, errProc
	}
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return "", 0, err
	}
	_, line, _ := strings.Cut(string(status), "\nUid:\t")
	real, _, _ := strings.Cut(line, "\t")
	if uid, err = strconv.Atoi(real); err != nil {
		return "", 0, errProc
	}
	return fields[19], uid, nil
}
