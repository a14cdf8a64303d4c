package softped

import (
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"openped/certs"
	"openped/protocol"
	"openped/protocol/channel"
	"openped/rpv"
	"openped/usbped"
)

// DefaultFirmware is the version that a PED says it is.
const DefaultFirmware = "2.9.0"

// DefaultActionTime is how long a person may take for one step of the dialogues
// that no HSM has set a time for.
const DefaultActionTime = 200 * time.Second

// Config is what a PED is made of.
type Config struct {
	Serial     string              // 1 to 32 printable characters
	Firmware   string              // "" means DefaultFirmware, at most 14 characters
	Keys       rpv.Store           // the PED keys that can be inserted
	State      StateStore          // what the PED remembers
	Roots      []*x509.Certificate // origin roots known beside those it remembers
	Cost       rpv.ArgonParams     // of new PED keys; zero means rpv.DefaultCost
	Mode       protocol.PEDMode    // 0 means Remote
	ActionTime time.Duration       // 0 means DefaultActionTime
	Log        *slog.Logger        // nil: nothing is logged
}

// PED is one PIN Entry Device. Its methods may be called from several
// goroutines.
type PED struct {
	cfg  Config
	log  *slog.Logger
	ui   *ui
	port *port
	mem  *memory

	limits channel.Limits // of sessions; zero but in tests

	mu       sync.Mutex
	mode     protocol.PEDMode // Remote, Local or Pair
	choice   uint64           // counts how often a mode was chosen or left
	menu     menu
	cache    *orange
	conn     *conn
	busy     bool // a dialogue runs
	deciding *job // the dialogue
	actions  []string
	verifier *certs.HSMVerifier
	notice   uint64 // Seq of the notice shown at rest
	restart  *time.Timer

	telling sync.Mutex // before mu; held while an event is sent, so that the newest state is told last
}

// Errors of the PED's own interface.
var (
	ErrBusy = errors.New("PED is in the middle of a dialogue")
	ErrKey  = errors.New("no such key on the keypad: use 0 to 9, <, >, Y, N, E (enter), C (clear), R (clear held)")
	ErrMode = errors.New("no such mode: use remote, local or pair")
)

// New returns a PED with an empty port.
func New(cfg Config) (*PED, error) {
	if cfg.Firmware == "" {
		cfg.Firmware = DefaultFirmware
	}
	if cfg.Mode == 0 {
		cfg.Mode = protocol.PEDModeRemote
	}
	if cfg.ActionTime == 0 {
		cfg.ActionTime = DefaultActionTime
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	switch {
	case cfg.Serial == "" || len(cfg.Serial) > protocol.MaxSerialText || !printable(cfg.Serial):
		return nil, errors.New("a PED serial is 1 to 32 printable characters")
	case len(cfg.Firmware) > Columns-len("PED V.") || !printable(cfg.Firmware):
		return nil, errors.New("a PED firmware version is 1 to 14 printable characters")
	case cfg.Mode != protocol.PEDModeRemote && cfg.Mode != protocol.PEDModeLocal && cfg.Mode != protocol.PEDModePair:
		return nil, ErrMode
	}
	mem, err := openMemory(cfg.State)
	if err != nil {
		return nil, err
	}
	p := &PED{cfg: cfg, log: cfg.Log, port: &port{store: cfg.Keys}, mem: mem, mode: cfg.Mode, ui: newUI(idlePage(cfg.Mode))}
	return p, p.loadRoots()
}

// loadRoots makes the verifier anew from all roots known.
func (p *PED) loadRoots() error {
	v := &certs.HSMVerifier{Roots: append([]*x509.Certificate(nil), p.cfg.Roots...)}
	for _, der := range p.mem.roots() {
		root, err := certs.ParseRoot(der)
		if err != nil {
			return fmt.Errorf("origin root in the PED's state: %w", err)
		}
		v.Roots = append(v.Roots, root)
	}
	p.mu.Lock()
	p.verifier = v
	p.mu.Unlock()
	return nil
}

// Info is what the PED says of itself outside the channel.
func (p *PED) Info() usbped.Info {
	return usbped.Info{Serial: p.cfg.Serial, Firmware: p.cfg.Firmware, Product: "openped softped", Software: true}
}

// Screen returns what the LCD shows.
func (p *PED) Screen() Screen { return p.ui.screen() }

// Watch calls f at every change of the LCD until stop is called. f must not call
// the PED. When changes come fast f sees the latest; Follow misses none.
func (p *PED) Watch(f func(Screen)) (stop func()) { return p.ui.watch(f) }

// Insert puts the key called name into the port, in place of the one inside.
func (p *PED) Insert(name string) error {
	if err := p.port.insert(name); err != nil {
		return err
	}
	p.ui.push(touch)
	return nil
}

// Remove pulls the key out of the port.
func (p *PED) Remove() {
	p.port.remove()
	p.ui.push(touch)
}

// Inserted returns the name of the key in the port, or "".
func (p *PED) Inserted() string {
	name, _ := p.port.inside()
	return name
}

// Keys returns the names of the PED keys that can be inserted.
func (p *PED) Keys() ([]string, error) { return p.cfg.Keys.List() }

// NewKey makes a blank PED key.
func (p *PED) NewKey(name string) error { return p.cfg.Keys.Save(name, rpv.NewBlank()) }

// Press presses one key: a digit, or one of the Key constants. Small letters do
// as well. It returns ErrKey for anything else.
func (p *PED) Press(key rune) error {
	if key >= 'a' && key <= 'z' {
		key += 'A' - 'a'
	}
	switch key {
	case KeyBack, KeyLog, KeyYes, KeyNo, KeyEnter, KeyClear, KeyReset:
	default:
		if key < '0' || key > '9' {
			return ErrKey
		}
	}
	if key == KeyReset {
		p.reset()
		return nil
	}
	if !p.ui.push(byte(key)) {
		p.idleKey(byte(key))
	}
	return nil
}

// Mode returns the mode the PED is in; PEDModeAdmin while a menu is shown.
func (p *PED) Mode() protocol.PEDMode {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.modeLocked()
}

func (p *PED) modeLocked() protocol.PEDMode {
	if p.menu != menuNone && p.menu != menuLog {
		return protocol.PEDModeAdmin
	}
	return p.mode
}

// SetMode does what choosing a mode in the menu does: it drops the cached orange
// key and the connection. Choosing Pair arms it for one try.
func (p *PED) SetMode(m protocol.PEDMode) error {
	if m != protocol.PEDModeRemote && m != protocol.PEDModeLocal && m != protocol.PEDModePair {
		return ErrMode
	}
	p.mu.Lock()
	if j := p.deciding; j != nil && j.ctx.Err() != nil { // cancelled, and about to end
		p.mu.Unlock()
		j.ending.Store(true)
		j.settle()
		p.mu.Lock()
	}
	if p.busy {
		p.mu.Unlock()
		return ErrBusy
	}
	p.menu, p.mode = menuNone, m
	p.choice++
	p.actions = nil
	p.mu.Unlock()
	p.dropCache()
	p.hangUp(nil)
	p.mu.Lock()
	if !p.busy {
		p.notice = 0
		p.ui.show(idlePage(m)) // also if it was that already: a script waits for it
	}
	p.mu.Unlock()
	p.tell(protocol.EvtState)
	return nil
}

// serves is the switch on the PED.
func (p *PED) serves(m channel.Mode) bool { return modeServes(p.Mode(), m) }

func modeServes(mode protocol.PEDMode, m channel.Mode) bool {
	switch mode {
	case protocol.PEDModeRemote:
		return m == channel.ModeRPV
	case protocol.PEDModeLocal:
		return m == channel.ModeLocal
	case protocol.PEDModePair:
		return m == channel.ModeOTP
	}
	return false
}

// stillServes reports whether the choice of a mode that l was judged by stands.
func (p *PED) stillServes(l *link) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stillServesLocked(l)
}

func (p *PED) stillServesLocked(l *link) bool {
	return p.choice == l.choice && modeServes(p.mode, l.mode)
}
