package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/windows"

	"openped/internal/winacl"
)

func asOwner(dir string, f func() error) error {
	if !windows.GetCurrentProcessToken().IsElevated() {
		return f()
	}
	release, err := hold(dir)
	defer release()
	if err != nil {
		return err
	}
	return f()
}

// ErrReparse is wrapped by the error for a folder that is a link, a junction or the
// like, where others than administrators could have put one.
var ErrReparse = errors.New("is a link that others than administrators may have put there")

// hold opens every folder on the way to dir, from the first that others than
// administrators may exchange, so that it can be neither renamed nor removed until
// release. None may be a link: to make a junction takes no rights on what it leads to.
func hold(dir string) (release func(), err error) {
	var held []windows.Handle
	release = func() {
		for _, h := range held {
			windows.CloseHandle(h)
		}
	}
	path, err := filepath.Abs(dir)
	if err != nil {
		return release, err
	}
	me, err := winacl.User()
	if err != nil {
		return release, err
	}
	at := filepath.VolumeName(path) + `\`
	foreign := false
	for name := range strings.SplitSeq(strings.Trim(path[len(at)-1:], `\`), `\`) {
		if name == "" {
			continue
		}
		next := filepath.Join(at, name)
		h, err := openFolder(next)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return release, err
		}
		if !foreign && !winacl.Exchangeable(h, me) {
			windows.CloseHandle(h)
			at = next
			continue
		}
		held = append(held, h) // closed by release
		foreign, at = true, next
		if err := noLink(h, next); err != nil {
			return release, err
		}
	}
	if foreign {
		h, err := occupy(at)
		if err != nil {
			return release, err
		}
		held = append(held, h)
		// What was turned into a link before it was occupied shows it now.
		return release, noLink(held[len(held)-2], at)
	}
	return release, nil
}

// openFolder opens a folder, and if it is a link that itself, so that others can not
// rename or remove it. The right to read takes part in sharing; that to read
// attributes alone does not.
func openFolder(path string) (windows.Handle, error) {
	name, err := windows.UTF16PtrFromString(path)
	if err != nil {
		return 0, err
	}
	h, err := windows.CreateFile(name, windows.FILE_LIST_DIRECTORY|windows.FILE_READ_ATTRIBUTES|windows.READ_CONTROL, windows.FILE_SHARE_READ|windows.FILE_SHARE_WRITE,
		nil, windows.OPEN_EXISTING, windows.FILE_FLAG_BACKUP_SEMANTICS|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
	if err != nil {
		return 0, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	return h, nil
}

// nameSurrogate is the bit of a reparse point that stands for something elsewhere, as
// links and junctions do, and files of a cloud do not.
const nameSurrogate = 1 << 29

// noLink refuses an open folder that is a link.
func noLink(h windows.Handle, path string) error {
	var tag struct{ attributes, tag uint32 } // FILE_ATTRIBUTE_TAG_INFO
	if err := windows.GetFileInformationByHandleEx(h, windows.FileAttributeTagInfo, (*byte)(unsafe.Pointer(&tag)), uint32(unsafe.Sizeof(tag))); err != nil {
		return &fs.PathError{Op: "look at", Path: path, Err: err}
	}
	if tag.attributes&windows.FILE_ATTRIBUTE_REPARSE_POINT != 0 && tag.tag&nameSurrogate != 0 {
		return fmt.Errorf("%s %w", path, ErrReparse)
	}
	return nil
}

// occupy makes a file in a folder that nobody else can remove and that goes when it is
// closed: only an empty folder can be turned into a junction.
func occupy(dir string) (windows.Handle, error) {
	var last error
	for range 100 {
		path := filepath.Join(dir, ".held."+strconv.FormatUint(uint64(rand.Uint32()), 10)+tempSuffix)
		name, err := windows.UTF16PtrFromString(path)
		if err != nil {
			return 0, err
		}
		h, err := windows.CreateFile(name, windows.GENERIC_WRITE|windows.DELETE, 0, nil, windows.CREATE_NEW,
			windows.FILE_ATTRIBUTE_TEMPORARY|windows.FILE_FLAG_DELETE_ON_CLOSE|windows.FILE_FLAG_OPEN_REPARSE_POINT, 0)
		if err == nil {
			return h, nil
		}
		last = &fs.PathError{Op: "open", Path: path, Err: err}
		if !errors.Is(err, fs.ErrExist) {
			break
		}
	}
	return 0, last
}
