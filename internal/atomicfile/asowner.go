package atomicfile

// AsOwner runs f, which works on files in the folder dir, so that it can do no more
// there than whoever could put another folder, or a link, in its place. dir need not
// be there yet.
//
// A service's user owns its folders, and root's command lines write into them: what
// that user has put there must not lead root elsewhere, be it exchanged in the same
// moment. On the way from the root of the file system the first that is not root's
// decides: its owner could exchange all below. On Linux and macOS f runs with that
// user's rights, so that the kernel itself refuses what the user could not do, and
// what f makes is the user's. On Windows, for an administrator, no component below a
// folder that others may change can be a link, nor be exchanged until f returns.
//
// Otherwise, for who is not root, and inside of another AsOwner, it is f alone. f may
// run in a goroutine of its own, and must not leave file work to others.
//
// MkdirAll, WriteFile, Lock and Holder do it by themselves.
func AsOwner(dir string, f func() error) error { return asOwner(dir, f) }
