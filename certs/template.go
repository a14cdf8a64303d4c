package certs

import (
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"slices"
)

// subject is the name of a certificate of an HSM.
func subject(role Role, serial string) pkix.Name {
	return pkix.Name{CommonName: "openped " + role.String() + " key", SerialNumber: serial}
}

func subjectDER(role Role, serial string) []byte {
	der, err := asn1.Marshal(subject(role, serial).ToRDNSequence())
	if err != nil {
		return nil // a serial that CheckSerial refuses
	}
	return der
}

// template is the certificate of a role, to be signed.
func template(role Role, name pkix.Name, spki []byte, counter uint64) (*x509.Certificate, error) {
	roleValue, err := asn1.Marshal(asn1.Enumerated(role))
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		Subject: name, NotBefore: notBefore, NotAfter: notAfter,
		SignatureAlgorithm: x509.ECDSAWithSHA512, SubjectKeyId: keyID(spki),
		KeyUsage: x509.KeyUsageKeyAgreement, BasicConstraintsValid: true,
		ExtraExtensions: []pkix.Extension{{Id: slices.Clone(oidRole), Critical: true, Value: roleValue}},
	}
	switch role {
	case RoleOrigin:
		t.MaxPathLen = 1
	case RoleIssuing:
		t.MaxPathLenZero = true
	case RoleStatic:
		value, err := asn1.Marshal(new(big.Int).SetUint64(counter))
		if err != nil {
			return nil, err
		}
		t.ExtraExtensions = append(t.ExtraExtensions, pkix.Extension{Id: slices.Clone(oidStartCounter), Critical: true, Value: value})
	}
	if role.signs() {
		t.IsCA, t.KeyUsage = true, x509.KeyUsageCertSign
	}
	return t, nil
}
