package imports

import (
	"fmt"
	"slices"
	"sort"
	"strings"
)

// Rule says what the packages that From names must not reach. Patterns are
// paths; a trailing "/..." takes the folder and all below it; our own paths
// start with "./".
type Rule struct {
	Name   string
	From   []string
	Except []string // packages in From that may
	Never  []string // what they must not reach
	Linked bool     // over all that is linked, not only direct imports
}

// Rules are the house's rules beyond the tiers.
var Rules = []Rule{
	{
		Name:   "the relay links nothing that could open its traffic",
		From:   []string{"./cmd/pedserver", "./pedserver/..."},
		Never:  []string{"./protocol/kas/...", "./protocol/channel/...", "./rpv/...", "./hsm/...", "./softped/..."},
		Linked: true,
	},
	{
		Name:   "TLS identities know nothing of the channel's certificates",
		From:   []string{"./certs/linkid/..."},
		Never:  []string{"./certs", "./protocol/channel/...", "./protocol/kas/..."},
		Linked: true,
	},
	{
		Name:  "pedserver and pedclient never import each other (server side)",
		From:  []string{"./pedserver/...", "./cmd/pedserver"},
		Never: []string{"./pedclient/..."}, Linked: true,
	},
	{
		Name:  "pedserver and pedclient never import each other (client side)",
		From:  []string{"./pedclient/...", "./cmd/pedclient"},
		Never: []string{"./pedserver/..."}, Linked: true,
	},
	{
		Name:  "softped never imports hsm",
		From:  []string{"./softped/...", "./cmd/softped"},
		Never: []string{"./hsm/..."}, Linked: true,
	},
	{
		Name:  "hsm never imports softped",
		From:  []string{"./hsm/..."},
		Never: []string{"./softped/..."}, Linked: true,
	},
	{
		Name:  "no daemon can turn into a mock",
		From:  []string{"./cmd/pedserver", "./cmd/pedclient", "./cmd/hsmcm"},
		Never: []string{"./softped/..."}, Linked: true,
	},
	{
		Name:  "the console holds no keys",
		From:  []string{"./hsmcm/...", "./cmd/hsmcm"},
		Never: []string{"./hsm/...", "./rpv/...", "./certs/...", "./protocol/channel/...", "./protocol/kas/..."}, Linked: true,
	},
	{
		Name:   "gousb only in usbped/libusb",
		From:   []string{"./..."},
		Except: []string{"./usbped/libusb"},
		Never:  []string{"github.com/google/gousb/..."},
	},
	{
		Name:   "usbped/libusb only from cmd",
		From:   []string{"./..."},
		Except: []string{"./cmd/..."},
		Never:  []string{"./usbped/libusb"},
	},
	{
		Name:   "PKCS#11 only in hsm/pkcs11",
		From:   []string{"./..."},
		Except: []string{"./hsm/pkcs11"},
		Never:  []string{"github.com/miekg/pkcs11/...", "github.com/ThalesGroup/crypto11/..."},
	},
	{
		Name:   "services only in internal/service",
		From:   []string{"./..."},
		Except: []string{"./internal/service"},
		Never:  []string{"github.com/kardianos/service/..."},
	},
	{
		Name:  "protocol is bytes in, bytes or an error out",
		From:  []string{"./protocol/..."},
		Never: []string{"log/...", "os/...", "net/...", "time/..."},
	},
	{
		Name:  "nothing imports the tests",
		From:  []string{"./cmd/...", "./pedserver/...", "./pedclient/...", "./hsmcm/...", "./softped/...", "./hsm/...", "./certs/...", "./rpv/...", "./usbped/...", "./protocol/...", "./internal/..."},
		Never: []string{"./test/...", "testing/..."},
	},
}

// testKits are the packages whose job is to help tests: they may import
// "testing" and nothing but tests may import them.
func testKit(path string) bool {
	return strings.HasSuffix(path[strings.LastIndexByte(path, '/')+1:], "test")
}

// Check returns one line per broken rule, sorted; none for a clean graph.
func Check(g Graph) []string {
	var bad []string
	for _, p := range g {
		if !p.Ours {
			continue
		}
		from := oursMark + p.Path
		for _, r := range Rules {
			if !matchAny(r.From, from) || matchAny(r.Except, from) {
				continue
			}
			reach := p.Imports
			if r.Linked {
				reach = p.Deps
			}
			for _, to := range reach {
				if to == "testing" && testKit(p.Path) {
					continue
				}
				if to != from && matchAny(r.Never, to) {
					bad = append(bad, fmt.Sprintf("%s: %s reaches %s", r.Name, from, to))
				}
			}
		}
		bad = append(bad, checkTiers(p)...)
	}
	sort.Strings(bad)
	return slices.Compact(bad)
}

// tiers from the top down. A package belongs to the first pattern that takes
// it; usbped/libusb must stand before usbped.
var tiers = [][]string{
	{"./dist/..."},
	{"./cmd/..."},
	{"./pedserver/...", "./pedclient/...", "./hsmcm/...", "./softped/..."},
	{"./hsm/...", "./usbped/libusb"},
	{"./certs/...", "./rpv/...", "./usbped/..."},
	{"./protocol/..."},
	{"./internal/..."},
}

// place returns a package's tier (0 on top) and its room in that tier.
func place(path string) (tier int, room string, ok bool) {
	for i, rooms := range tiers {
		for _, room := range rooms {
			if match(room, path) {
				return i, room, true
			}
		}
	}
	return 0, "", false
}

// checkTiers: imports go down, or stay in their own room.
func checkTiers(p *Package) []string {
	from := oursMark + p.Path
	if match("./test/...", from) {
		return nil
	}
	tier, room, ok := place(from)
	if !ok {
		return []string{"tiers: " + from + " has no place in the house"}
	}
	var bad []string
	for _, to := range p.Imports {
		if !strings.HasPrefix(to, oursMark) {
			continue
		}
		if to == "./test" || match("./test/...", to) {
			continue // has its own rule
		}
		toTier, toRoom, ok := place(to)
		switch {
		case testKit(to) && !testKit(from):
			bad = append(bad, fmt.Sprintf("tests only: %s imports %s", from, to))
		case !ok:
			bad = append(bad, "tiers: "+to+" has no place in the house")
		case toTier < tier, toTier == tier && toRoom != room:
			bad = append(bad, fmt.Sprintf("tiers: %s imports %s, which stands beside or above it", from, to))
		case match("./cmd/...", to):
			bad = append(bad, fmt.Sprintf("tiers: %s imports the command %s", from, to))
		}
	}
	return bad
}

func match(pattern, path string) bool {
	if dir, ok := strings.CutSuffix(pattern, "/..."); ok {
		return path == dir || strings.HasPrefix(path, dir+"/")
	}
	return pattern == path
}

func matchAny(patterns []string, path string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool { return match(p, path) })
}
