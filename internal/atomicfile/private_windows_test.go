package atomicfile

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

// TestPrivate: a key in a folder that everybody may look into is nobody else's, and
// neither is a folder for keys.
//
// Without createTemp's own list, and MkdirAll's, both are open to all users.
func TestPrivate(t *testing.T) {
	if windows.NewLazySystemDLL("ntdll.dll").NewProc("wine_get_version").Find() == nil {
		t.Skip("Wine does not pass access lists on")
	}
	me, err := winacl.User()
	if err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(t.TempDir(), "open")
	if err := winacl.Mkdir(open, append(winacl.Private(me), winacl.Entry{SID: winacl.Users, Rights: winacl.Full})...); err != nil {
		t.Fatal(err)
	}
	key, public, folder := filepath.Join(open, "key"), filepath.Join(open, "public"), filepath.Join(open, "a", "keys")
	if err := WriteFile(key, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(public, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(key); string(b) != "secret" {
		t.Errorf("%q %v", b, err)
	}
	for path, private := range map[string]bool{key: true, folder: true, public: false} {
		_, entries, err := winacl.Of(path)
		if err != nil || winacl.Loose(entries, me) == private {
			t.Errorf("%s: %+v %v", path, entries, err)
		}
	}
	// Twice: the file that is replaced has a list of its own.
	if err := WriteFile(key, []byte("another"), 0o600); err != nil {
		t.Error(err)
	}
}
