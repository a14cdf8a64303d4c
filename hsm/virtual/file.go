package virtual

import (
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	"openped/certs"
	"openped/hsm"
	"openped/internal/audit"
	"openped/internal/secret"
	"openped/protocol"
	"openped/rpv"
)

const (
	magic   = "openped-virtual-hsm"
	version = 1
	maxFile = 1 << 20 // bytes
)

// Faults of a state file.
var (
	ErrForeign = errors.New("not the state file of a virtual HSM")
	ErrNewer   = errors.New("state file is of a newer version")
	ErrDamaged = errors.New("state file is damaged")
)

// document is the file. Every field is always written, so that what is found in
// a file and not here belongs to somebody else and is kept (merge).
type document struct {
	Magic        string       `json:"magic"`
	Version      int          `json:"version"`
	Serial       string       `json:"serial"`
	Firmware     string       `json:"firmware"`
	Auth         string       `json:"auth"` // missing in files of HSMs that knew only "ped"
	Label        string       `json:"label"`
	Issuing      []byte       `json:"issuing"` // certs.Issuing.Marshal: has the private key
	StartCounter uint64       `json:"start_counter"`
	Zeroized     bool         `json:"zeroized"`
	Roles        roleDocs     `json:"roles"`
	RPV          *rpvDoc      `json:"rpv"`
	Pending      []pendingDoc `json:"pending"`
	Dropped      []protocolID `json:"dropped"`
	Failed       []failedDoc  `json:"failed_handshakes"`
	Passwords    []hexBytes   `json:"used_passwords"`
	Audit        *auditDoc    `json:"audit"`
}

// roleDocs has a field per role: a role that goes leaves null, not a gap that
// could be taken for something unknown.
type roleDocs struct {
	SO     *roleDoc `json:"so"`
	AU     *roleDoc `json:"au"`
	PO     *roleDoc `json:"po"`
	CO     *roleDoc `json:"co"`
	LCO    *roleDoc `json:"lco"`
	CU     *roleDoc `json:"cu"`
	Domain *roleDoc `json:"domain"`
}

// each calls f with every role and its place.
func (r *roleDocs) each(f func(protocol.Role, **roleDoc)) {
	f(protocol.RoleSO, &r.SO)
	f(protocol.RoleAU, &r.AU)
	f(protocol.RolePO, &r.PO)
	f(protocol.RoleCO, &r.CO)
	f(protocol.RoleLCO, &r.LCO)
	f(protocol.RoleCU, &r.CU)
	f(protocol.RoleDomain, &r.Domain)
}

type roleDoc struct {
	Set      protocolID `json:"set"`
	M        uint8      `json:"m"`
	N        uint8      `json:"n"`
	Sealed   []byte     `json:"sealed"`
	Failures int        `json:"failures"`
	Locked   bool       `json:"locked"`
}

type rpvDoc struct {
	Set   protocolID `json:"set"`
	M     uint8      `json:"m"`
	N     uint8      `json:"n"`
	Value []byte     `json:"value"`
	RPKs  []hexBytes `json:"rpks"`
}

type pendingDoc struct {
	Role string     `json:"role"`
	Set  protocolID `json:"set"`
	M    uint8      `json:"m"`
	N    uint8      `json:"n"`
}

type failedDoc struct {
	RPK   hexBytes `json:"rpk"`
	Count int      `json:"count"`
}

// auditDoc is the newest audit record that the HSM knows.
type auditDoc struct {
	Seq  uint64   `json:"seq"`
	Hash hexBytes `json:"hash"`
}

// content is a state file in memory.
type content struct {
	id      hsm.Identity
	issuing *certs.Issuing
	state   *hsm.State
	raw     json.RawMessage // as read or last written, with the secrets blanked
}

// decode reads a file and checks all of it. It wipes b.
func decode(b []byte) (*content, error) {
	defer clear(b)
	var head struct {
		Magic   string `json:"magic"`
		Version int    `json:"version"`
	}
	err := json.Unmarshal(b, &head)
	switch {
	case err != nil && bytes.Contains(b, []byte(`"`+magic+`"`)):
		return nil, ErrDamaged // cut off, most likely
	case err != nil, len(b) > maxFile, head.Magic != magic:
		return nil, ErrForeign
	}
	if head.Version > version {
		return nil, fmt.Errorf("%w: %d, this program knows %d", ErrNewer, head.Version, version)
	}
	if head.Version < 1 {
		return nil, ErrDamaged
	}
	var d document
	defer d.wipe()
	if err := json.Unmarshal(b, &d); err != nil {
		return nil, ErrDamaged
	}
	if d.Auth == "" {
		d.Auth = hsm.AuthPED.String()
	}
	auth, ok := hsm.ParseAuth(d.Auth)
	if !ok {
		return nil, ErrDamaged
	}
	c := &content{id: hsm.Identity{Serial: d.Serial, Firmware: d.Firmware, Auth: auth}}
	if c.issuing, err = certs.UnmarshalIssuing(d.Issuing); err != nil || c.issuing.Serial != d.Serial {
		return nil, ErrDamaged
	}
	// They alias what is wiped below.
	c.issuing.CertDER, c.issuing.RootDER = bytes.Clone(c.issuing.CertDER), bytes.Clone(c.issuing.RootDER)
	if c.state, err = d.state(); err != nil {
		return nil, err
	}
	d.wipe()
	if c.raw, err = merge(b, &d); err != nil {
		destroy(c.state)
		return nil, err
	}
	return c, nil
}

// encode writes the file, which the caller wipes, and what c.raw is once the
// file is in place. Fields that this version does not know are as they were.
func (c *content) encode(st *hsm.State) (file, raw []byte, err error) {
	d := document{Magic: magic, Version: version, Serial: c.id.Serial, Firmware: c.id.Firmware, Auth: c.id.Auth.String()}
	defer d.wipe()
	if d.Issuing, err = c.issuing.Marshal(); err != nil {
		return nil, nil, err
	}
	d.set(st)
	if file, err = merge(c.raw, &d); err != nil {
		return nil, nil, err
	}
	if len(file) > maxFile {
		clear(file)
		return nil, nil, errTooBig
	}
	d.wipe()
	raw, err = merge(c.raw, &d)
	return file, raw, err
}

var errTooBig = errors.New("state does not fit its file")

// wipe blanks the secrets; lengths stay.
func (d *document) wipe() {
	clear(d.Issuing)
	if d.RPV != nil {
		clear(d.RPV.Value)
	}
}

// set copies a state into the document.
func (d *document) set(st *hsm.State) {
	d.Label, d.StartCounter, d.Zeroized = st.Label, st.StartCounter, st.Zeroized
	d.Roles.each(func(r protocol.Role, place **roleDoc) {
		if rec, ok := st.Roles[r]; ok {
			*place = &roleDoc{protocolID(rec.Set), rec.M, rec.N, rec.Sealed, rec.Failures, rec.Locked}
		}
	})
	if v := st.RPV; v != nil {
		d.RPV = &rpvDoc{Set: protocolID(v.Set), M: v.M, N: v.N, Value: bytes.Clone(v.Value.Bytes())}
		for _, fp := range v.RPKs {
			d.RPV.RPKs = append(d.RPV.RPKs, fp[:])
		}
	}
	for _, p := range st.Pending {
		d.Pending = append(d.Pending, pendingDoc{p.Role.String(), protocolID(p.Set), p.M, p.N})
	}
	for _, id := range st.Dropped {
		d.Dropped = append(d.Dropped, protocolID(id))
	}
	for _, f := range st.Failed {
		d.Failed = append(d.Failed, failedDoc{f.RPK[:], f.Count})
	}
	for _, p := range st.UsedPasswords {
		d.Passwords = append(d.Passwords, p)
	}
	if hash, err := hex.DecodeString(st.Audit.Hash); err == nil && st.Audit.Seq > 0 {
		d.Audit = &auditDoc{st.Audit.Seq, hash}
	}
}

// state checks the document and returns what it says.
func (d *document) state() (_ *hsm.State, err error) {
	st := &hsm.State{Label: d.Label, StartCounter: d.StartCounter, Zeroized: d.Zeroized, Roles: map[protocol.Role]hsm.RoleRecord{}}
	ok := len(d.Label) <= hsm.MaxLabel && certs.CheckSerial(d.Serial) == nil
	shape := func(id protocolID, m, n uint8) {
		ok = ok && id != protocolID{} && rpv.CheckQuorum(int(m), int(n)) == nil
	}
	fingerprint := func(b hexBytes) (fp [64]byte) {
		ok = ok && copy(fp[:], b) == len(b) && len(b) == len(fp)
		return fp
	}
	d.Roles.each(func(r protocol.Role, place **roleDoc) {
		if p := *place; p != nil {
			shape(p.Set, p.M, p.N)
			ok = ok && p.Failures >= 0 && p.Failures < math.MaxInt32
			st.Roles[r] = hsm.RoleRecord{Set: protocol.SetID(p.Set), M: p.M, N: p.N, Sealed: p.Sealed, Failures: p.Failures, Locked: p.Locked}
		}
	})
	for _, p := range d.Pending {
		role, known := protocol.ParseRole(p.Role)
		shape(p.Set, p.M, p.N)
		ok = ok && known
		st.Pending = append(st.Pending, hsm.PendingSet{Role: role, Set: protocol.SetID(p.Set), M: p.M, N: p.N})
	}
	for _, id := range d.Dropped {
		st.Dropped = append(st.Dropped, protocol.SetID(id))
	}
	for _, f := range d.Failed {
		ok = ok && f.Count > 0 && f.Count < math.MaxInt32
		st.Failed = append(st.Failed, hsm.FailedRPK{RPK: fingerprint(f.RPK), Count: f.Count})
	}
	for _, p := range d.Passwords {
		st.UsedPasswords = append(st.UsedPasswords, p)
	}
	if a := d.Audit; a != nil {
		ok = ok && a.Seq > 0 && len(a.Hash) == sha512.Size
		st.Audit = audit.Head{Seq: a.Seq, Hash: hex.EncodeToString(a.Hash)}
	}
	if v := d.RPV; v != nil {
		shape(v.Set, v.M, v.N)
		ok = ok && len(v.Value) == rpv.SecretSize
		rec := &hsm.RPVRecord{Set: protocol.SetID(v.Set), M: v.M, N: v.N}
		for _, fp := range v.RPKs {
			rec.RPKs = append(rec.RPKs, fingerprint(fp))
		}
		if ok {
			rec.Value = secret.Copy(v.Value)
		}
		st.RPV = rec
	}
	if !ok {
		destroy(st)
		return nil, ErrDamaged
	}
	return st, nil
}

// destroy wipes the secret of a state.
func destroy(st *hsm.State) {
	if st != nil && st.RPV != nil {
		st.RPV.Value.Destroy()
	}
}
