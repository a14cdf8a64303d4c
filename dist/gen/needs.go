package main

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// needs is what a package cannot be without.
type needs struct {
	usb      bool
	static   []string // programs that need no library at all
	deb, rpm []string
}

// needs looks into the programs: the libraries they were linked with, and the
// newest version of libc that they ask for.
func (s *stage) needs(p *pack) (needs, error) {
	var n needs
	var libc []string
	for _, prog := range p.programs() {
		f, err := elf.Open(filepath.Join(s.bin, prog))
		if err != nil {
			return n, err
		}
		libs, err := f.ImportedLibraries()
		if err == nil {
			var v []elf.DynamicVersionNeed
			if len(libs) > 0 {
				v, err = f.DynamicVersionNeeds()
			}
			for _, need := range v {
				if need.Name == "libc.so.6" {
					for _, dep := range need.Needs {
						libc = append(libc, dep.Dep)
					}
				}
			}
		}
		f.Close()
		if err != nil {
			return n, fmt.Errorf("%s: %w", prog, err)
		}
		if len(libs) == 0 {
			n.static = append(n.static, prog)
		}
		for _, lib := range libs {
			switch lib {
			case "libc.so.6", "libpthread.so.0", "ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2":
			case "libusb-1.0.so.0":
				n.usb = true
			default:
				return n, fmt.Errorf("%s was linked with %s, which no dependency stands for", prog, lib)
			}
		}
	}
	if newest := newestLibc(libc); newest != "" {
		n.deb = append(n.deb, "libc6 (>= "+newest+")")
		slices.Sort(libc)
		for _, v := range slices.Compact(libc) {
			n.rpm = append(n.rpm, "libc.so.6("+v+")(64bit)")
		}
	}
	if n.usb {
		n.deb = append(n.deb, "libusb-1.0-0 (>= 2:1.0.22)")
		n.rpm = append(n.rpm, "libusb-1.0.so.0()(64bit)")
	}
	// Who makes the users: systemd, or what stands in for it in small images.
	n.deb = append(n.deb, "systemd | systemd-standalone-sysusers | systemd-sysusers")
	n.rpm = append(n.rpm, "systemd")
	return n, nil
}

// newestLibc returns the newest of versions like GLIBC_2.34.
func newestLibc(versions []string) (newest string) {
	var best [2]int
	for _, v := range versions {
		number, ok := strings.CutPrefix(v, "GLIBC_")
		if !ok {
			continue
		}
		f := append(strings.Split(number, "."), "0")
		major, _ := strconv.Atoi(f[0])
		minor, _ := strconv.Atoi(f[1])
		if now := [2]int{major, minor}; slices.Compare(now[:], best[:]) > 0 {
			best, newest = now, number
		}
	}
	return newest
}
