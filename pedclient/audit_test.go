package pedclient

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"openped/hsm/hsmtest"
	"openped/protocol/hsmapi"
)

func TestAudit(t *testing.T) {
	b := newBench(t)
	u := b.bootstrap()
	f := u.must(hsmapi.AuditVerify, slot1())
	n, _ := f.U64(hsmapi.TagCount)
	u.text = nil
	shown, _ := u.must(hsmapi.AuditShow, slot1()).U64(hsmapi.TagCount)
	if n == 0 || shown != n || uint64(len(u.text)) != n {
		t.Errorf("%d records, %d shown, %d lines", n, shown, len(u.text))
	}
	u.text = nil
	shown, _ = u.must(hsmapi.AuditShow, slot1().AddU64(hsmapi.TagFrom, 2).AddU32(hsmapi.TagLimit, 2)).U64(hsmapi.TagCount)
	if shown != 2 || len(u.text) != 2 || !strings.HasPrefix(u.text[0], "2 ") {
		t.Errorf("%d %q", shown, u.text)
	}
	// What somebody has kept a copy of is in it.
	last := func() hsmapi.Fields {
		seq, _ := f.U64(hsmapi.TagRecord)
		hash, _ := f.Text(hsmapi.TagHash)
		return slot1().AddU64(hsmapi.TagRecord, seq).AddText(hsmapi.TagHash, hash)
	}
	b.ped.Insert(hsmtest.Blue[0], hsmtest.Blue[1])
	u.must(hsmapi.Login, so())
	u.must(hsmapi.AuditVerify, last())
	u.fails(hsmapi.AuditVerify, slot1().AddU64(hsmapi.TagRecord, 2).AddText(hsmapi.TagHash, strings.Repeat("0", 128)), hsmapi.CKR_AUDIT_BROKEN, "line 2")
	u.fails(hsmapi.AuditVerify, slot1().AddU64(hsmapi.TagRecord, 2), hsmapi.CKR_ARGUMENTS_BAD, "")

	file := b.file() + auditSuffix
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	write := func(raw []byte) {
		t.Helper()
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// Somebody rewrites history.
	write(bytes.Replace(good, []byte("start counter 1"), []byte("start counter 2"), 1))
	u.fails(hsmapi.AuditVerify, slot1(), hsmapi.CKR_AUDIT_BROKEN, "line 1")
	// Reading stops at the limit: the rest is neither read nor held.
	lines := bytes.SplitAfter(good, []byte("\n"))
	lines[4][20] ^= 1
	write(bytes.Join(lines, nil))
	u.must(hsmapi.AuditShow, slot1().AddU32(hsmapi.TagLimit, 3))
	u.fails(hsmapi.AuditShow, slot1(), hsmapi.CKR_AUDIT_BROKEN, "line 5")
	lines[4][20] ^= 1
	// Somebody cuts it under the running process, which knows better, and neither
	// verifies it nor goes on behind the hole.
	write(nil)
	u.fails(hsmapi.AuditVerify, slot1(), hsmapi.CKR_AUDIT_BROKEN, "missing")
	u.fails(hsmapi.AuditShow, slot1(), hsmapi.CKR_AUDIT_BROKEN, "missing")
	u.fails(hsmapi.Login, so(), hsmapi.CKR_USER_ALREADY_LOGGED_IN, "")
	u.must(hsmapi.Logout, so())
	u.fails(hsmapi.Login, so(), hsmapi.CKR_DEVICE_ERROR, "audit log")
	if raw, _ := os.ReadFile(file); len(raw) != 0 {
		t.Errorf("%d bytes were written behind the cut", len(raw))
	}
	// The next start says so, and so does every verification from then on.
	b.c.Close()
	b.start()
	u = b.user()
	u.fails(hsmapi.AuditVerify, slot1(), hsmapi.CKR_AUDIT_BROKEN, "tampered")
	if all := mustRecords(t, b); !slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "audit-mismatch") }) {
		t.Errorf("%q", all)
	}
}
