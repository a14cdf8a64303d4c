package pedclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"openped/internal/audit"
	"openped/protocol/hsmapi"
)

// auditLines is how many records go into one progress message.
const auditLines = 32

// errEnough ends a reading of the log at the caller's limit.
var errEnough = errors.New("enough")

// auditShow sends the records as it reads them.
func (c *call) auditShow() (hsmapi.Fields, error) {
	from, _ := c.in.U64(hsmapi.TagFrom)
	limit, limited := c.in.U32(hsmapi.TagLimit)
	var lines hsmapi.Fields
	flush := func() {
		if len(lines) > 0 {
			c.w.progress(c.r, hsmapi.EventText, lines)
			lines = nil
		}
	}
	shown := uint64(0)
	err := c.slot.audit.Visit(func(r audit.Record) error {
		switch {
		case c.ctx.Err() != nil:
			return c.ctx.Err()
		case limited && shown >= uint64(limit):
			return errEnough
		case r.Seq < from:
			return nil
		}
		lines = lines.AddText(hsmapi.TagText, auditLine(r))
		if shown++; shown%auditLines == 0 {
			flush()
		}
		return nil
	})
	flush()
	if err != nil && !errors.Is(err, errEnough) {
		return nil, auditError(err)
	}
	return hsmapi.Fields{}.AddU64(hsmapi.TagCount, shown), nil
}

// auditVerify checks the log, and that it has the record that the caller knows.
func (c *call) auditVerify() (hsmapi.Fields, error) {
	var known audit.Head
	known.Seq, _ = c.in.U64(hsmapi.TagRecord)
	known.Hash, _ = c.in.Text(hsmapi.TagHash)
	if (known.Seq == 0) != (known.Hash == "") {
		return nil, badArgument("a record is known by its number and its hash")
	}
	last, err := c.slot.audit.Verify(c.ctx, known)
	if err != nil {
		return nil, auditError(err)
	}
	return hsmapi.Fields{}.AddU64(hsmapi.TagCount, last.Seq).AddU64(hsmapi.TagRecord, last.Seq).AddText(hsmapi.TagHash, last.Hash), nil
}

func auditError(err error) error {
	if errors.Is(err, context.Canceled) {
		return &hsmapi.Error{Code: hsmapi.CKR_FUNCTION_CANCELED, Msg: "cancelled"}
	}
	return &hsmapi.Error{Code: hsmapi.CKR_AUDIT_BROKEN, Msg: err.Error()}
}

// auditLine shows one record for people.
func auditLine(r audit.Record) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d %s %s", r.Seq, r.Time.Format(time.RFC3339), r.Event)
	for _, x := range []struct{ name, value string }{
		{"role", r.Role}, {"result", r.Result}, {"ped", r.PED}, {"caller", r.Caller}, {"keys", strings.Join(r.Keys, ",")}, {"set", r.Set}, {"ceremony", r.Ceremony},
	} {
		if x.value != "" {
			fmt.Fprintf(&b, " %s=%q", x.name, x.value)
		}
	}
	return b.String()
}
