package pedclient

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"openped/certs"
	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/setting"
)

// MaxPEDID is the highest PED ID. 0 stands for a PED at the HSM itself and is
// no ID.
const MaxPEDID = 65535

// PEDID is a number for a PEDserver, to be used in place of its address.
type PEDID struct {
	ID        int    `json:"id"`
	Host      string `json:"host"`
	Port      int    `json:"port"`
	TLS       bool   `json:"tls"`
	HSMSerial string `json:"hsmSerial,omitempty"` // the HSM that it is assigned to
}

// Target is where the PED ID leads.
func (p PEDID) Target() Target { return Target{Host: p.Host, Port: p.Port, TLS: p.TLS} }

// IDMap holds the PED IDs of a configuration file: its sections "PedId <n>".
// An ID is assigned to one HSM at most, and an HSM has one at most. A nil map
// is empty.
type IDMap struct{ ids []PEDID }

// LoadIDs reads the PED IDs of a configuration file. The error names section
// and line.
func LoadIDs(f *conffile.File) (*IDMap, error) {
	m := new(IDMap)
	for _, name := range f.Sections() {
		word, number, two := strings.Cut(name, " ")
		if !two || !strings.EqualFold(word, "PedId") {
			continue
		}
		id, err := strconv.Atoi(number)
		if err != nil || strconv.Itoa(id) != number || CheckPEDID(id) != nil {
			return nil, fmt.Errorf("section %s: a PED ID is a number from 1 to %d", cmdline.Printable(name), MaxPEDID)
		}
		if _, twice := m.Lookup(id); twice {
			continue // one section in two parts
		}
		p, err := readID(f, name, id)
		if err != nil {
			return nil, fmt.Errorf("section %s, %w", name, err)
		}
		if other, ok := m.Assigned(p.HSMSerial); ok {
			return nil, fmt.Errorf("section %s: HSM %s has PED ID %d already", name, p.HSMSerial, other.ID)
		}
		m.ids = append(m.ids, p)
	}
	slices.SortFunc(m.ids, func(a, b PEDID) int { return cmp.Compare(a.ID, b.ID) })
	return m, nil
}

func readID(f *conffile.File, section string, id int) (p PEDID, err error) {
	p = PEDID{ID: id, Port: DefaultPort}
	get := func(key string, check func(string) error) {
		v, line, ok := f.Get(section, key)
		if !ok || err != nil {
			return
		}
		if e := check(v); e != nil {
			err = fmt.Errorf("line %d: %s: %w", line, key, e)
		}
	}
	get("Host", func(v string) error { p.Host = v; return setting.CheckHost(v) })
	get("Port", func(v string) (e error) { p.Port, e = parsePort(v); return e })
	get("TLS", func(v string) error { p.TLS = v == "1"; return oneOf(v, "0", "1") })
	get("HSMSerial", func(v string) error { p.HSMSerial = v; return certs.CheckSerial(v) })
	if err == nil && p.Host == "" {
		err = errors.New("no Host in it")
	}
	return p, err
}

func parsePort(v string) (int, error) {
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > 65535 {
		return 0, fmt.Errorf("%q is no port from 1 to 65535", cmdline.Printable(v))
	}
	return n, nil
}

func oneOf(v string, words ...string) error {
	if !slices.Contains(words, v) {
		return fmt.Errorf("%q is neither %s", cmdline.Printable(v), strings.Join(words, " nor "))
	}
	return nil
}

// List returns the PED IDs in their order.
func (m *IDMap) List() []PEDID {
	if m == nil {
		return nil
	}
	return slices.Clone(m.ids)
}

// Lookup returns a PED ID.
func (m *IDMap) Lookup(id int) (PEDID, bool) {
	return m.find(func(p PEDID) bool { return p.ID == id })
}

// Assigned returns the PED ID that an HSM has.
func (m *IDMap) Assigned(serial string) (PEDID, bool) {
	return m.find(func(p PEDID) bool { return serial != "" && p.HSMSerial == serial })
}

func (m *IDMap) find(is func(PEDID) bool) (PEDID, bool) {
	if m != nil {
		if i := slices.IndexFunc(m.ids, is); i >= 0 {
			return m.ids[i], true
		}
	}
	return PEDID{}, false
}

// CheckPEDID allows the numbers that a PED ID can have.
func CheckPEDID(id int) error {
	if id == 0 {
		return &cmdline.UsageError{Msg: "PED ID 0 stands for a PED at the HSM itself", Hint: fmt.Sprintf("choose one from 1 to %d", MaxPEDID)}
	}
	if id < 1 || id > MaxPEDID {
		return &cmdline.UsageError{Msg: fmt.Sprintf("PED ID %d is outside 1 to %d", id, MaxPEDID)}
	}
	return nil
}
