package winacl

import "testing"

func TestDescriptor(t *testing.T) {
	const alice, group = "S-1-5-21-1-2-3-1001", "S-1-5-21-1-2-3-1002"
	for _, c := range []struct{ got, want string }{
		{Descriptor(alice, false, append(Private(alice), Entry{SID: group, Rights: Client})...),
			"O:S-1-5-21-1-2-3-1001D:P(A;;0x1f01ff;;;S-1-5-18)(A;;0x1f01ff;;;S-1-5-32-544)(A;;0x1f01ff;;;S-1-5-21-1-2-3-1001)(A;;0x12019b;;;S-1-5-21-1-2-3-1002)"},
		{Descriptor("", true, Private(System)...), "D:P(A;OICI;0x1f01ff;;;S-1-5-18)(A;OICI;0x1f01ff;;;S-1-5-32-544)"},
		{Descriptor("", true, Entry{SID: Administrators, Rights: Full}, Entry{SID: Users, Rights: Read, Passed: TopOnly}),
			"D:P(A;OICI;0x1f01ff;;;S-1-5-32-544)(A;OINP;0x1200a9;;;S-1-5-32-545)"},
		{Descriptor(Administrators, false, Entry{SID: "", Rights: Client}), "O:S-1-5-32-544D:P"},
	} {
		if c.got != c.want {
			t.Errorf("%s\nwant %s", c.got, c.want)
		}
	}
	// FILE_CREATE_PIPE_INSTANCE would let a member stand in for the daemon.
	if Client&0x4 != 0 || Client&Change&^0x2 != 0 {
		t.Errorf("%#x: clients may do too much", Client)
	}
}

func TestServiceSID(t *testing.T) {
	// As Microsoft documents it.
	if got := ServiceSID("trustedInstaller"); got != "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464" {
		t.Error(got)
	}
}

func TestStranger(t *testing.T) {
	const me, users = "S-1-5-21-1-2-3-1001", "S-1-5-32-545"
	for name, c := range map[string]struct {
		entries []Entry
		want    string
	}{
		"nobody":           {Private(me), ""},
		"users read":       {append(Private(me), Entry{SID: users, Rights: 0x1200a9}), ""},
		"users add files":  {append(Private(me), Entry{SID: users, Rights: 0x1200a9 | 0x2}), users},
		"users add folder": {append(Private(me), Entry{SID: users, Rights: 0x4}), users},
		"generic":          {append(Private(me), Entry{SID: users, Rights: 0x10000000}), users},
		"takes it over":    {[]Entry{{SID: users, Rights: 0x80000}}, users},
	} {
		if got := Stranger(c.entries, Change, me); got != c.want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

// TestForeign: who may exchange a folder, or turn it into a junction.
func TestForeign(t *testing.T) {
	const me = "S-1-5-21-1-2-3-1001"
	for name, c := range map[string]struct {
		owner string
		more  Entry
		want  bool
	}{
		"administrators'":   {Administrators, Entry{}, false},
		"Windows' own":      {installer, Entry{SID: installer, Rights: Full}, false},
		"users read":        {System, Entry{SID: Users, Rights: Read}, false},
		"users may turn it": {System, Entry{SID: Users, Rights: Read | turn}, true},
		"a service's":       {Administrators, Entry{SID: ServiceSID("pedserver"), Rights: Modify}, true},
		"made by a service": {ServiceSID("pedserver"), Entry{}, true},
		"made by a user":    {me + "0", Entry{}, true},
	} {
		if got := Foreign(c.owner, append(Private(me), c.more), me); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestLoose: what a file would inherit is looked at as a whole.
func TestLoose(t *testing.T) {
	const me = "S-1-5-21-1-2-3-1001"
	for name, c := range map[string]struct {
		more Entry
		want bool
	}{
		"nobody":         {Entry{}, false},
		"users read":     {Entry{SID: Users, Rights: Read}, true},
		"users pass":     {Entry{SID: Users, Rights: 0x100020}, false},
		"users add":      {Entry{SID: Users, Rights: 0x4}, true},
		"generic":        {Entry{SID: Users, Rights: 0x80000000}, true},
		"the maker":      {Entry{SID: creator, Rights: Full}, false},
		"the service":    {Entry{SID: ServiceSID("pedserver"), Rights: Modify}, false},
		"every service":  {Entry{SID: "S-1-5-80-0", Rights: Read}, true},
		"another person": {Entry{SID: me + "0", Rights: Read}, true},
	} {
		if got := Loose(append(Private(me), c.more), me); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
