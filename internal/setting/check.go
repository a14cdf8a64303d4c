package setting

import (
	"fmt"
	"net/netip"
	"strings"

	"openped/internal/cmdline"
)

// CheckName allows what can stand in the name of a section and of a file.
func CheckName(v string) error {
	if len(v) > 64 || strings.HasPrefix(v, ".") || strings.HasPrefix(v, "-") ||
		strings.ContainsFunc(v, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._-", r)
		}) {
		return fmt.Errorf("%q is not a name: 1 to 64 letters, digits, dots, dashes and underscores", cmdline.Printable(v))
	}
	return nil
}

// CheckHost allows an IP address or a name as it stands in the DNS.
func CheckHost(v string) error {
	if _, err := netip.ParseAddr(v); err == nil && len(v) <= 253 {
		return nil
	}
	labels := strings.Split(strings.TrimSuffix(v, "."), ".")
	ok := len(v) <= 253 && strings.Trim(labels[len(labels)-1], "0123456789") != "" // else a mistyped address
	for _, l := range labels {
		ok = ok && l != "" && len(l) <= 63 && l[0] != '-' && l[len(l)-1] != '-' && !strings.ContainsFunc(l, func(r rune) bool {
			return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
		})
	}
	if !ok {
		return fmt.Errorf("%q is neither an IP address nor a host name", cmdline.Printable(v))
	}
	return nil
}

// CheckNetwork allows an IP address or a network like 10.0.0.0/8.
func CheckNetwork(v string) error {
	_, err := ParseNetwork(v)
	return err
}

// ParseNetwork reads an IP address or a network. IPv4 written as IPv6 is IPv4, as
// it is in the addresses that are compared with it.
func ParseNetwork(v string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(v); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(v)
	if err != nil {
		return p, fmt.Errorf("%q is neither an IP address nor a network like 10.0.0.0/8", cmdline.Printable(v))
	}
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}

// CheckSerial allows an HSM's serial number.
func CheckSerial(v string) error {
	if len(v) > 32 || strings.ContainsFunc(v, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-'
	}) {
		return fmt.Errorf("%q is not a serial number: 1 to 32 letters, digits and dashes", cmdline.Printable(v))
	}
	return nil
}
