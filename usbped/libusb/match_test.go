package libusb

import "testing"

// with changes a PED's descriptors.
func with(change func(*descriptors, *setting)) *descriptors {
	d := pedDescriptors()
	change(&d, &d.configs[0].interfaces[0].settings[0])
	return &d
}

func TestFind(t *testing.T) {
	good := pedDescriptors()
	if p, ok := good.find(); !ok || p != pedPlace {
		t.Errorf("%+v, %v", p, ok)
	}
	second := with(func(d *descriptors, s *setting) {
		c := &d.configs[0]
		ped := c.interfaces[0]
		ped.number = 1
		ped.settings = append([]setting{{}}, ped.settings...)
		ped.settings[1].alternate = 7
		c.interfaces = []iface{{0, []setting{{class: 3}}}, ped}
	})
	if p, ok := second.find(); !ok || p.iface != 1 || p.alternate != 7 {
		t.Errorf("%+v, %v", p, ok)
	}
	for name, d := range map[string]*descriptors{
		"nothing":            {},
		"class":              with(func(_ *descriptors, s *setting) { s.class = 3 }),
		"subclass":           with(func(_ *descriptors, s *setting) { s.subclass = 0 }),
		"protocol":           with(func(_ *descriptors, s *setting) { s.protocol = 2 }),
		"no endpoints":       with(func(_ *descriptors, s *setting) { s.endpoints = nil }),
		"two endpoints":      with(func(_ *descriptors, s *setting) { s.endpoints = s.endpoints[1:] }),
		"four endpoints":     with(func(_ *descriptors, s *setting) { s.endpoints = append(s.endpoints, endpoint{0x84, kindBulk, 512}) }),
		"no way out":         with(func(_ *descriptors, s *setting) { s.endpoints[1].address = 0x84 }),
		"interrupt out":      with(func(_ *descriptors, s *setting) { s.endpoints[0].address = 0x03 }),
		"isochronous":        with(func(_ *descriptors, s *setting) { s.endpoints[0].kind = kindOther }),
		"one address":        with(func(_ *descriptors, s *setting) { s.endpoints[0].address = 0x82 }),
		"endpoint 0":         with(func(_ *descriptors, s *setting) { s.endpoints[2].address = 0x80 }),
		"reserved bits":      with(func(_ *descriptors, s *setting) { s.endpoints[2].address = 0xf2 }),
		"packets of nothing": with(func(_ *descriptors, s *setting) { s.endpoints[2].packet = 0 }),
		"odd packets":        with(func(_ *descriptors, s *setting) { s.endpoints[2].packet = 100 }),
		"huge packets":       with(func(_ *descriptors, s *setting) { s.endpoints[2].packet = 2047 }),
		"number":             with(func(d *descriptors, _ *setting) { d.configs[0].interfaces[0].number = 1 }),
	} {
		if p, ok := d.find(); ok {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// FuzzFind: whatever a device says, there is no panic, and what is found can be
// used.
func FuzzFind(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0xff, 0x50, 1, 3, 0x83, 2, 64, 0x01, 1, 0, 0x82, 1, 0})
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		next := func() int {
			if len(b) == 0 {
				return 0
			}
			v := b[0]
			b = b[1:]
			return int(v)
		}
		d := &descriptors{}
		for len(b) > 0 {
			c := config{number: next()}
			for range 1 + next()%3 {
				i := iface{number: next() % 4}
				s := setting{alternate: next(), class: uint8(next()), subclass: uint8(next()), protocol: uint8(next())}
				if next()%2 == 0 {
					s.class, s.subclass, s.protocol = 0xff, 0x50, 1
				}
				for range next() % 5 {
					s.endpoints = append(s.endpoints, endpoint{uint8(next()), kind(next() % 3), 8 << (next() % 10)})
				}
				i.settings = append(i.settings, s)
				c.interfaces = append(c.interfaces, i)
			}
			d.configs = append(d.configs, c)
		}
		p, ok := d.find()
		if !ok {
			return
		}
		if p.out&0x80 != 0 || p.in&0x80 == 0 || p.event&0x80 == 0 || p.in == p.event || p.out&0x0f == 0 {
			t.Errorf("%+v in %+v", p, d)
		}
	})
}

// FuzzFailure: the texts of gousb, whatever is in them.
func FuzzFailure(f *testing.F) {
	f.Add("failed to claim interface 0 on vid=1209,pid=0001,bus=1,addr=2,config=1: libusb: device or resource busy [code -6]")
	f.Add("[code -99999999999999999999]")
	f.Fuzz(func(t *testing.T, text string) {
		if failureIn(text).Error() == "" {
			t.Error(text)
		}
	})
}

func TestFailureIn(t *testing.T) {
	for text, want := range map[string]failure{
		"failed to claim interface 0 on vid=1209,pid=0001,bus=1,addr=2,config=1: libusb: device or resource busy [code -6]": failBusy,
		"libusb: bad access [code -3]":                                 failAccess,
		"libusb: no device [code -4]":                                  failNoDevice,
		"libusb: not supported [code -12]":                             failNotSupported,
		"libusb: i/o error [code -1]":                                  failIO,
		"failed to get string descriptor 2: libusb: timeout [code -7]": failTimeout,
		"libusb: unknown error [code -99]":                             failOther,
		"anything":                                                     failOther,
	} {
		if got := failureIn(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
