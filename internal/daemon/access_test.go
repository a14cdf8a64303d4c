//go:build unix

package daemon

import (
	"os"
	"strconv"
	"testing"

	"openped/internal/localsock"
	"openped/internal/rundir"
	"openped/internal/setting"
)

// TestAccess: a service lets its own group in, unless another is named; nobody
// else lets anybody in, and no service all of root's group.
func TestAccess(t *testing.T) {
	p := &Program{Table: setting.Table{AdminGroup("", nil)}}
	values := func(group string) *setting.Values {
		v := setting.New(p.Table)
		if group != "" {
			if _, err := v.Flags().Parse([]string{"-admingroup", group}); err != nil {
				t.Fatal(err)
			}
		}
		return v
	}
	own := localsock.Access{}
	if os.Getegid() > 0 {
		own.Group = strconv.Itoa(os.Getegid())
	}
	for _, c := range []struct {
		service, group string
		want           localsock.Access
	}{
		{"", "", localsock.Access{}},
		{"pedserver", "", own},
		{"", "nogroup", localsock.Access{Group: "65534"}},
		{"pedserver", "nogroup", localsock.Access{Group: "65534"}},
	} {
		call := &Call{Program: p, Values: values(c.group), Dirs: rundir.Dirs{Service: c.service}}
		got, err := call.access()
		if c.group != "" && err != nil {
			t.Skip("this computer has no group nogroup") // BSDs and others
		}
		if err != nil || got != c.want {
			t.Errorf("%+v: %+v %v", c, got, err)
		}
	}
	call := &Call{Program: p, Values: values("no-such-group")}
	if _, err := call.access(); err == nil {
		t.Error("a group that is not there was taken")
	}
}
