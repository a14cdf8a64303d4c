package pedclient

import (
	"errors"
	"fmt"
	"strconv"

	"openped/certs"
	"openped/internal/cmdline"
	"openped/internal/conffile"
	"openped/internal/rc"
	"openped/internal/setting"
)

// SetID writes a PED ID to the configuration file conf, or gives the one that
// is there another address; what it is assigned to stays.
func SetID(conf string, p PEDID) error {
	if err := setting.CheckHost(p.Host); err != nil {
		return &cmdline.UsageError{Msg: err.Error()}
	}
	if p.Port < 1 || p.Port > 65535 {
		return &cmdline.UsageError{Msg: fmt.Sprintf("port %d is outside 1 to 65535", p.Port)}
	}
	return editIDs(conf, p.ID, func(f *conffile.File, _ *IDMap, section string) error {
		tls := "0"
		if p.TLS {
			tls = "1"
		}
		return errors.Join(f.Set(section, "Host", p.Host), f.Set(section, "Port", strconv.Itoa(p.Port)), f.Set(section, "TLS", tls))
	})
}

// AssignID gives an HSM the PED ID: `ped connect` without an address uses it.
func AssignID(conf string, id int, serial string) error {
	if err := certs.CheckSerial(serial); err != nil {
		return &cmdline.UsageError{Msg: err.Error()}
	}
	return editIDs(conf, id, func(f *conffile.File, m *IDMap, section string) error {
		p, err := m.known(id)
		if err != nil {
			return err
		}
		if p.HSMSerial != "" && p.HSMSerial != serial {
			return inUse(fmt.Errorf("PED ID %d is assigned to HSM %s", id, p.HSMSerial), fmt.Sprintf("release it first: -mode releaseid -id %d", id))
		}
		if other, ok := m.Assigned(serial); ok && other.ID != id {
			return inUse(fmt.Errorf("HSM %s has PED ID %d", serial, other.ID), fmt.Sprintf("release that first: -mode releaseid -id %d", other.ID))
		}
		return f.Set(section, "HSMSerial", serial)
	})
}

// ReleaseID takes the PED ID from the HSM that has it, if one has.
func ReleaseID(conf string, id int) error {
	return editIDs(conf, id, func(f *conffile.File, m *IDMap, section string) error {
		_, err := m.known(id)
		if err == nil {
			f.Unset(section, "HSMSerial")
		}
		return err
	})
}

// DeleteID removes a PED ID that no HSM has.
func DeleteID(conf string, id int) error {
	return editIDs(conf, id, func(f *conffile.File, m *IDMap, section string) error {
		p, err := m.known(id)
		if err != nil {
			return err
		}
		if p.HSMSerial != "" {
			return inUse(fmt.Errorf("PED ID %d is assigned to HSM %s", id, p.HSMSerial), fmt.Sprintf("release it first: -mode releaseid -id %d", id))
		}
		f.RemoveSection(section)
		return nil
	})
}

// known returns a PED ID that must be there.
func (m *IDMap) known(id int) (PEDID, error) {
	p, ok := m.Lookup(id)
	if !ok {
		return p, &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.NotRegistered, Err: fmt.Errorf("there is no PED ID %d", id),
			Hint: "list them with -mode listid, or make it with -mode setid"}
	}
	return p, nil
}

func inUse(err error, hint string) error {
	return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.InUse, Err: err, Hint: hint}
}

// editIDs changes the section of a PED ID. What it leaves is read once more: no
// file is written that could not be read.
func editIDs(conf string, id int, edit func(f *conffile.File, m *IDMap, section string) error) error {
	if err := CheckPEDID(id); err != nil {
		return err
	}
	return conffile.Edit(conf, func(f *conffile.File) error {
		m, err := LoadIDs(f)
		if err != nil {
			return &cmdline.ExitError{Code: cmdline.ExitFailed, RC: rc.BadConfig, Err: fmt.Errorf("%s: %w", conf, err), Hint: "correct the file"}
		}
		if err := edit(f, m, "PedId "+strconv.Itoa(id)); err != nil {
			return err
		}
		_, err = LoadIDs(f)
		return err
	})
}
