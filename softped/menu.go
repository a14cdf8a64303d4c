package softped

import (
	"openped/protocol"
)

// menu is what the PED shows instead of serving anybody.
type menu uint8

const (
	menuNone menu = iota
	menuModes
	menuExit // the warning before menuModes
	menuAdmin
	menuUnavailable
	menuLog
)

func (p *PED) menuPage() page {
	switch p.menu {
	case menuExit:
		return exitWarningPage()
	case menuAdmin:
		return adminPage()
	case menuUnavailable:
		return unavailablePage()
	case menuLog:
		return logPage(p.actions)
	}
	return menuPage(p.cfg.Firmware)
}

// idleKey takes a key while no dialogue runs.
func (p *PED) idleKey(key byte) {
	p.mu.Lock()
	if p.busy {
		p.mu.Unlock()
		return
	}
	if p.notice != 0 { // any key removes the notice, and does no more
		p.restLocked()
		p.mu.Unlock()
		return
	}
	before := p.menu
	mode := p.menuKey(key)
	changed := p.menu != before
	left := before == menuNone && changed && p.menu != menuLog && p.menu != menuExit ||
		before == menuExit && p.menu == menuModes
	if left {
		p.choice++
	}
	if changed {
		p.restLocked()
	}
	p.mu.Unlock()
	switch {
	case mode != 0:
		_ = p.SetMode(mode)
	case left: // the mode was left: whoever was served is not any more
		p.dropCache()
		p.hangUp(nil)
		p.rest()
		p.tell(protocol.EvtState)
	case changed:
		p.tell(protocol.EvtState)
	}
}

// menuKey moves between menus; it returns the mode chosen, or 0.
func (p *PED) menuKey(key byte) protocol.PEDMode {
	switch p.menu {
	case menuNone:
		switch {
		case key == KeyLog:
			p.menu = menuLog
		case key == KeyBack && p.cache != nil:
			p.menu = menuExit
		case key == KeyBack:
			p.menu = menuModes
		}
	case menuExit:
		switch key {
		case KeyYes:
			p.menu = menuModes
		case KeyNo, KeyBack:
			p.menu = menuNone
		}
	case menuModes:
		switch key {
		case '7':
			return protocol.PEDModeRemote
		case '0':
			return protocol.PEDModeLocal
		case '9':
			return protocol.PEDModePair
		case '4':
			p.menu = menuAdmin
		case '1':
			p.menu = menuUnavailable
		}
	case menuAdmin:
		switch key {
		case KeyBack:
			p.menu = menuModes
		case '1', '5', '7', '9':
			p.menu = menuUnavailable
		}
	case menuUnavailable:
		p.menu = menuModes
	case menuLog:
		p.menu = menuNone
	}
	return 0
}

// reset is CLEAR held for five seconds: during an operation it starts the PED
// anew. In a menu, and when nothing runs, it does nothing.
func (p *PED) reset() {
	p.mu.Lock()
	j := p.deciding
	p.mu.Unlock()
	if j != nil {
		j.cancel(stopReset)
	}
}
