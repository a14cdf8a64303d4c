package usbdev

import (
	"encoding/binary"
	"unicode/utf16"
)

// Windows asks devices which driver they want (Microsoft OS 2.0 Descriptors
// Specification): ours wants WinUSB, so that nobody has to install one.
const (
	// InterfaceGUID is how programs find PEDs on Windows.
	InterfaceGUID = "{9C2C2C5E-6A0B-4E0C-8F5D-3B8A7C0A51D4}"
	// CompatibleID is the driver.
	CompatibleID = "WINUSB"
	// GUIDProperty is where the GUID stands in the registry.
	GUIDProperty = "DeviceInterfaceGUIDs"
	// VendorCode is the request that asks for these descriptors.
	VendorCode = 0x4f

	descriptorIndex = 7          // wIndex of the request: the descriptor set
	windows81       = 0x06030000 // the first version that knows them
	multiSZ         = 7          // REG_MULTI_SZ
)

// platformUUID is D8DD60DF-4589-4CC7-9CD2-659D9E648A9F as a GUID lies in memory:
// the first three groups are little endian.
var platformUUID = [16]byte{0xdf, 0x60, 0xdd, 0xd8, 0x89, 0x45, 0xc7, 0x4c, 0x9c, 0xd2, 0x65, 0x9d, 0x9e, 0x64, 0x8a, 0x9f}

// BOS returns the binary object store: one capability, which says that there is
// a Microsoft OS 2.0 descriptor set.
func BOS() []byte {
	b := []byte{28, typeCapability, 5, 0} // platform
	b = append(b, platformUUID[:]...)
	b = binary.LittleEndian.AppendUint32(b, windows81)
	b = le16(b, uint16(len(MicrosoftSet())))
	b = append(b, VendorCode, 0)
	return append(append(le16([]byte{5, typeBOS}, uint16(5+len(b))), 1), b...)
}

// MicrosoftSet returns the Microsoft OS 2.0 descriptor set. The device has one
// interface, so that its features stand below the set itself.
func MicrosoftSet() []byte {
	var id [16]byte // compatible id, sub-compatible id
	copy(id[:], CompatibleID)
	b := append(le16(nil, 20, 3), id[:]...)
	name, data := wide(GUIDProperty+"\x00"), wide(InterfaceGUID+"\x00\x00")
	b = le16(b, uint16(2*5+len(name)+len(data)), 4, multiSZ, uint16(len(name)))
	b = append(b, name...)
	b = le16(b, uint16(len(data)))
	b = append(b, data...)
	head := binary.LittleEndian.AppendUint32(le16(nil, 10, 0), windows81)
	return append(le16(head, uint16(10+len(b))), b...)
}

// wide returns a text in UTF-16, little endian.
func wide(s string) []byte { return le16(nil, utf16.Encode([]rune(s))...) }
