package rpv

import (
	"slices"

	"openped/protocol"
)

// setType makes Type say what the key holds now.
func (k *Key) setType() {
	switch {
	case k.Current != nil:
		k.Type = k.Current.Type
	case k.Pending != nil:
		k.Type = k.Pending.Type
	default:
		k.Type = 0
	}
}

// Blank reports whether the key holds nothing.
func (k *Key) Blank() bool { return k.Current == nil && k.Pending == nil }

// Sets returns the current and the pending set if they are of type t, else nil
// in their place. A key being overwritten with another colour holds one of each.
func (k *Key) Sets(t protocol.KeyType) (current, pending *Set) {
	if k.Current != nil && k.Current.Type == t {
		current = k.Current
	}
	if k.Pending != nil && k.Pending.Type == t {
		pending = k.Pending
	}
	return current, pending
}

// WritePending puts s in the pending place, over what is there; the current set
// stays. The key owns s from now on. Start counters that the key has seen of
// s's issuers go over to s. It returns ErrSet or another error of NewSet, and
// changes nothing, if s breaks the rules.
func (k *Key) WritePending(s *Set) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.Counters == nil {
		s.Counters = map[Fingerprint]uint64{}
	}
	for _, old := range []*Set{k.Current, k.Pending} {
		if old == nil {
			continue
		}
		for fp, n := range old.Counters {
			if s.Lists(fp) && n > s.Counters[fp] {
				s.Counters[fp] = n
			}
		}
	}
	if k.Pending != s {
		k.Pending.Destroy()
	}
	k.Pending = s
	k.setType()
	return nil
}

// Promote makes the pending set, which must be id, the current one. It does
// nothing if nothing is pending and id is current already; otherwise it returns
// ErrNoPending.
func (k *Key) Promote(id protocol.SetID) error {
	switch {
	case k.Pending != nil && k.Pending.ID == id:
		k.Current.Destroy()
		k.Current, k.Pending = k.Pending, nil
		k.setType()
		return nil
	case k.Pending == nil && k.Current != nil && k.Current.ID == id:
		return nil
	}
	return ErrNoPending
}

// ErasePending removes the pending set, if any. Only the HSM can know that it
// never became live.
func (k *Key) ErasePending() {
	k.Pending.Destroy()
	k.Pending = nil
	k.setType()
}

// AddIssuer adds an HSM to those that the current set serves; one already
// listed stays. It returns ErrListFull, or ErrSet if there is no current set.
func (k *Key) AddIssuer(fp Fingerprint) error {
	switch s := k.Current; {
	case s == nil:
		return ErrSet
	case s.Lists(fp):
		return nil
	case len(s.Issuers) >= MaxIssuers:
		return ErrListFull
	default:
		s.Issuers = append(s.Issuers, fp)
		return nil
	}
}

// AddRPKCert adds an HSM and the certificate it gave to this key's RPK, or
// replaces the certificate of an HSM already listed. It returns ErrNotOrange,
// ErrListFull, or ErrSet for a certificate of 0 or more than MaxRPKCert bytes.
func (k *Key) AddRPKCert(fp Fingerprint, der []byte) error {
	if k.Current == nil || k.Current.RPK == nil {
		return ErrNotOrange
	}
	if len(der) == 0 || len(der) > MaxRPKCert {
		return ErrSet
	}
	if err := k.AddIssuer(fp); err != nil {
		return err
	}
	r := k.Current.RPK
	r.Certs = slices.DeleteFunc(r.Certs, func(c RPKCert) bool { return c.Issuer == fp })
	r.Certs = append(r.Certs, RPKCert{Issuer: fp, DER: slices.Clone(der)})
	return nil
}

// CheckCounter compares an HSM's start counter with the highest that the key
// has seen of it, and keeps it if it is higher. It returns ErrCounter for a
// lower one, and ErrUnlisted for an HSM that no set on the key serves (an HSM
// must be added first, so that strangers cannot fill a key).
func (k *Key) CheckCounter(fp Fingerprint, counter uint64) error {
	if !k.Current.Lists(fp) && !k.Pending.Lists(fp) {
		return ErrUnlisted
	}
	for _, s := range []*Set{k.Current, k.Pending} {
		if s.Lists(fp) && counter < s.Counters[fp] {
			return ErrCounter
		}
	}
	for _, s := range []*Set{k.Current, k.Pending} {
		if s.Lists(fp) {
			if s.Counters == nil {
				s.Counters = map[Fingerprint]uint64{}
			}
			s.Counters[fp] = counter
		}
	}
	return nil
}
