package usbped

import (
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestDeviceNames(t *testing.T) {
	for _, s := range []string{"usb", "usb:SP01", "unix:/run/ped.sock", "unix:ped.sock"} {
		if err := CheckDevice(s); err != nil {
			t.Error(err)
		}
	}
	for _, s := range []string{"", "usb:", "unix:", "ttyS0", "x\x1b[2J\n"} {
		err := CheckDevice(s)
		if err == nil || strings.ContainsAny(err.Error(), "\x1b\n") {
			t.Errorf("%q: %v", s, err)
		}
	}
	if err := CheckDevice("pipe:ped"); runtime.GOOS != "windows" && (err == nil || !strings.Contains(err.Error(), "for Windows")) {
		t.Errorf("a pipe: %v", err)
	}
	for s, want := range map[string]string{
		"usb": "usb", "usb:a": "usb:a", "unix:/a/b": "unix:/a/b", "unix:b": "unix:" + filepath.Join("/f", "b"), "unix:./b": "unix:" + filepath.Join("/f", "b"), "unix:": "unix:", "pipe:b": "pipe:b",
	} {
		if got := AbsDevice(s, "/f"); got != want {
			t.Errorf("%s: %s, want %s", s, got, want)
		}
	}
}
