package docs

import (
	"bytes"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"openped/protocol"
)

var (
	anID   = protocol.CeremonyID{1, 2, 3, 15: 0x10}
	aSet   = protocol.SetID{0xaa, 15: 0xab}
	aKey   = protocol.KeySerial{0xc1, 7: 0xc8}
	bytes9 = []byte("123456789")
)

// samples has one message of each type.
var samples = []protocol.Message{
	&protocol.Authenticate{Ceremony: anID, Role: protocol.RoleSO, KeyType: protocol.KeySO, TimeoutSec: 200},
	&protocol.CreateKeyset{Ceremony: anID, Role: protocol.RoleRPV, KeyType: protocol.KeyRPK, TimeoutSec: 200},
	&protocol.Confirm{Ceremony: anID, Prompt: protocol.PromptEraseHSM, TimeoutSec: 200},
	&protocol.Info{},
	&protocol.UseSet{Ceremony: anID, Use: protocol.UseCurrent},
	&protocol.ShareResult{Ceremony: anID, Status: protocol.ShareMore, Have: 1, Need: 2},
	&protocol.WriteShare{Ceremony: anID, Index: 1, M: 1, N: 1, Set: aSet, Wrapped: bytes9, RPKKey: bytes9, RPKCert: bytes9},
	&protocol.Committed{Ceremony: anID, Set: aSet},
	&protocol.Grant{Ceremony: anID, RPKCert: bytes9},
	&protocol.End{Ceremony: anID, Result: protocol.EndOK},
	&protocol.InfoReply{Serial: "S", Firmware: "F", RPKs: []protocol.KeySerial{aKey, aKey}},
	&protocol.KeyPresented{Ceremony: anID, Key: aKey, Current: aSet, Index: 1, M: 1, N: 1, RPKPub: bytes9},
	&protocol.Share{Ceremony: anID, Key: aKey, Set: aSet, Index: 1, M: 1, N: 1, Wrapped: bytes9},
	&protocol.KeysetChoice{Ceremony: anID, M: 2, N: 3},
	&protocol.ShareWritten{Ceremony: anID, Index: 1, Key: aKey},
	&protocol.DuplicateChoice{Ceremony: anID},
	&protocol.Confirmed{Ceremony: anID},
	&protocol.ReusedRPV{Ceremony: anID, Set: aSet, M: 1, N: 1, Wrapped: bytes9},
	&protocol.Cancel{Ceremony: anID, Reason: protocol.CancelHost},
}

// messageTables are the tables of PED messages by the message's name.
func messageTables(t *testing.T) map[string]table {
	spec := load(t, "docs/SPEC.md")
	all := map[string]table{}
	for _, title := range []string{"From the HSM", "From the PED", "Either way"} {
		s := spec.section(t, title)
		// "**0x86 DuplicateChoice**, **0x87 Confirmed**" share a table.
		both := map[string]string{}
		for _, m := range regexp.MustCompile(`(?m)^\*\*(0x\w\w \w+)\*\*, \*\*(0x\w\w \w+)\*\*`).FindAllStringSubmatch(s.text, -1) {
			both[m[1]] = m[2]
		}
		for _, tab := range s.tables() {
			if tab.header[0] != "field" {
				continue
			}
			for _, name := range []string{tab.bold, both[tab.bold]} {
				if name != "" {
					all[strings.Fields(name)[1]] = tab
					checkType(t, name)
				}
			}
		}
	}
	return all
}

func checkType(t *testing.T, heading string) {
	f := strings.Fields(heading)
	if typ := protocol.MsgType(number(t, f[0])); typ.String() != f[1] {
		t.Errorf("message %s is %q in the text and %q in the code", f[0], f[1], typ)
	}
}

// TestMessageTables walks an encoded message of each type along its table.
func TestMessageTables(t *testing.T) {
	tables := messageTables(t)
	for _, m := range samples {
		name := m.Type().String()
		if name == "Info" { // no table: the type alone
			continue
		}
		tab, ok := tables[name]
		if !ok {
			t.Errorf("the text has no table of %s", name)
			continue
		}
		rest := protocol.EncodeMessage(m)
		count := 0
		for _, r := range tab.rows {
			n := fieldSize(t, r[1], rest, count)
			if n > len(rest) {
				t.Errorf("%s: field %s does not fit", name, r[0])
				break
			}
			if r[0] == "count" {
				count = int(rest[0])
			}
			rest = rest[n:]
		}
		if len(rest) != 0 {
			t.Errorf("%s: the table ends %d bytes before the message", name, len(rest))
		}
		for _, r := range tab.rows {
			checkCap(t, m, r)
			checkValues(t, name, r)
		}
	}
	if len(tables) != len(samples)-1 {
		t.Errorf("%d tables, %d messages", len(tables), len(samples))
	}
}

// fieldSize is the size of a field at the front of b.
func fieldSize(t *testing.T, cell string, b []byte, count int) int {
	switch cell {
	case "1+n":
		return 1 + int(b[0])
	case "2+n":
		return 2 + int(b[0])<<8 + int(b[1])
	case "8·count":
		return 8 * count
	}
	n, err := strconv.Atoi(cell)
	if err != nil {
		t.Fatalf("size %q", cell)
	}
	return n
}

var capped = regexp.MustCompile("`(?:text8|var16) ≤ (\\d+)`")

// checkCap tries a variable field at its cap and one byte over it.
func checkCap(t *testing.T, m protocol.Message, row []string) {
	c := capped.FindStringSubmatch(row[2])
	if c == nil {
		return
	}
	most := int(number(t, c[1]))
	v := reflect.New(reflect.TypeOf(m).Elem())
	v.Elem().Set(reflect.ValueOf(m).Elem())
	f := v.Elem().FieldByNameFunc(func(n string) bool { return strings.EqualFold(n, strings.ReplaceAll(row[0], " ", "")) })
	if !f.IsValid() {
		t.Errorf("%v: the code has no field %q", m.Type(), row[0])
		return
	}
	for n, ok := range map[int]bool{most: true, most + 1: false} {
		b := bytes.Repeat([]byte{'A'}, n)
		if f.Kind() == reflect.String {
			f.SetString(string(b))
		} else {
			f.SetBytes(b)
		}
		if err := protocol.CheckMessage(v.Interface().(protocol.Message)); (err == nil) != ok {
			t.Errorf("%v: %s of %d bytes: %v", m.Type(), row[0], n, err)
		}
	}
}

func checkValues(t *testing.T, name string, row []string) {
	values := listed(t, row[2])
	switch row[0] {
	case "use":
		same(t, name+" use", values, protocol.Use.Valid)
	case "reason":
		if name == "Cancel" {
			same(t, name+" reason", values, protocol.CancelReason.Valid)
			return
		}
		same(t, name+" reason", values, protocol.UseReason.Valid)
	case "status":
		same(t, name+" status", values, protocol.ShareStatus.Valid)
	case "prompt":
		same(t, name+" prompt", values, protocol.Prompt.Valid)
	case "result":
		same(t, name+" result", values, protocol.EndResult.Valid)
	}
}

// TestLongestMessage: the text says how long a message can be.
func TestLongestMessage(t *testing.T) {
	full := func(n int) []byte { return make([]byte, n) }
	m := &protocol.WriteShare{Ceremony: anID, Index: 1, M: 1, N: 1, Set: aSet, Wrapped: full(protocol.MaxWrapped),
		RPKKey: full(protocol.MaxWrapped), RPKCert: full(protocol.MaxRPKCert)}
	if n := strconv.Itoa(len(protocol.EncodeMessage(m))); !strings.Contains(load(t, "docs/SPEC.md").section(t, "PED messages").text, "WriteShare of "+n+" bytes") {
		t.Errorf("the longest WriteShare has %s bytes", n)
	}
}
