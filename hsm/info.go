package hsm

import (
	"time"

	"openped/protocol"
	"openped/protocol/channel"
)

// Info is what a slot shows of itself.
type Info struct {
	Slot           int
	Serial         string
	Label          string
	Firmware       string
	Auth           Auth
	Initialized    bool // it has an SO and a domain
	RPVInitialized bool
	Zeroized       bool // by failed logins, and not initialized since
	SOAttemptsLeft int  // 0 without an SO
	Roles          []RoleInfo
	Ceremony       string // what is running, or ""
	CeremonySince  time.Time
	CeremonyCaller string // who asked for it, see WithCaller
	PED            PEDInfo
}

// RoleInfo is one role of the role table.
type RoleInfo struct {
	Role         protocol.Role
	Exists       bool
	Locked       bool
	AttemptsLeft int
	Limit        int // 0: nobody logs in as this
	M, N         int
}

// PEDInfo is what is known of the PED.
type PEDInfo struct {
	Connected bool         // the connection is up and this HSM has proved itself
	Session   bool         // the PED has, too
	Mode      channel.Mode // 0 when not connected
	Serial    string       // authenticated; empty before the first session
	Firmware  string
	Since     time.Time // of Connected
}

// Info returns what the slot is and does now. It waits for nobody.
func (s *Slot) Info() Info {
	i := Info{Slot: s.o.Slot, Serial: s.id.Serial, Firmware: s.id.Firmware, Auth: s.id.Auth}
	s.d.View(func(st *State) {
		i.Label, i.Zeroized = st.Label, st.Zeroized
		i.Initialized, i.RPVInitialized = st.Initialized(), st.RPV != nil
		for _, sp := range roles {
			r := RoleInfo{Role: sp.role, Limit: sp.limit}
			if rec, ok := st.Roles[sp.role]; ok {
				r.Exists, r.Locked, r.M, r.N = true, rec.Locked, int(rec.M), int(rec.N)
				r.AttemptsLeft = sp.attemptsLeft(rec)
			}
			if sp.role == protocol.RoleRPV && st.RPV != nil {
				r.Exists, r.M, r.N = true, int(st.RPV.M), int(st.RPV.N)
			}
			if sp.role == protocol.RoleSO {
				i.SOAttemptsLeft = r.AttemptsLeft
			}
			i.Roles = append(i.Roles, r)
		}
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.running != nil {
		i.Ceremony, i.CeremonySince, i.CeremonyCaller = s.running.name, s.running.since, s.running.caller
	}
	i.PED = s.ped
	return i
}

// Connected returns what is known of the PED. It waits for nobody.
func (s *Slot) Connected() PEDInfo {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ped
}

// publish copies the stage of a connection to where Info finds it.
func (c *pedConn) publish() {
	s := c.slot
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != c || !c.alive() {
		return
	}
	if !s.ped.Connected {
		s.ped.Since = time.Now()
	}
	s.ped.Connected, s.ped.Session, s.ped.Mode = true, c.stage == stageSession, c.mode
}

// setPED keeps who the PED of the connection is.
func (s *Slot) setPED(serial, firmware string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ped.Serial, s.ped.Firmware = serial, firmware
}
