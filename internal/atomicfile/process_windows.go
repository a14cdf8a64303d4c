package atomicfile

import (
	"errors"
	"os"
	"strconv"

	"golang.org/x/sys/windows"
)

const stillActive = 259 // what GetExitCodeProcess says of a process that lives

// process tells when a process started: numbers are soon used again here. Whose it
// is stands in no number.
func process(pid int) (start string, uid int, err error) {
	h, err := windows.OpenProcess(windows.PROCESS_QUERY_LIMITED_INFORMATION, false, uint32(pid))
	if err != nil {
		return "", 0, err
	}
	defer func() { _ = windows.CloseHandle(h) }()
	var code uint32
	if err := windows.GetExitCodeProcess(h, &code); err != nil {
		return "", 0, err
	}
	if code != stillActive {
		return "", 0, os.ErrProcessDone // somebody keeps a handle
	}
	var created, exited, kernel, user windows.Filetime
	if err := windows.GetProcessTimes(h, &created, &exited, &kernel, &user); err != nil {
		return "", 0, err
	}
	if created.Nanoseconds() <= 0 {
		return "", 0, errors.ErrUnsupported
	}
	return strconv.FormatInt(created.Nanoseconds(), 10), -1, nil
}

func ownerOf(*os.File) int { return -1 }
