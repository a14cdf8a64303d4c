package secret

import "syscall"

const madvDontDump = 16 // MADV_DONTDUMP, madvise(2)

// alloc returns pages outside the Go heap, locked and left out of dumps. Where
// the limit for locked memory is reached the pages are used unlocked: a login
// must not fail for it.
func alloc(n int) ([]byte, func([]byte)) {
	if n == 0 {
		return nil, func([]byte) {}
	}
	b, err := syscall.Mmap(-1, 0, n, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_PRIVATE|syscall.MAP_ANON)
	if err != nil {
		return make([]byte, n), func([]byte) {}
	}
	_ = syscall.Mlock(b)
	_ = syscall.Madvise(b, madvDontDump)
	return b, func(b []byte) { _ = syscall.Munmap(b) }
}

// DisableDumps forbids core dumps of this process and reading its memory by
// other processes of the same user (prctl(2), PR_SET_DUMPABLE).
func DisableDumps() error {
	const prSetDumpable = 4
	if _, _, e := syscall.RawSyscall(syscall.SYS_PRCTL, prSetDumpable, 0, 0); e != 0 {
		return e
	}
	return syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{})
}
