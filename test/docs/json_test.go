package docs

import (
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"openped/certs/linkid"
	"openped/internal/setting"
	"openped/pedclient"
	"openped/pedserver"
)

// TestJSON: the tables under "JSON" have the fields that the programs print, each
// with its type, and no other.
func TestJSON(t *testing.T) {
	for _, c := range []struct {
		page, bold string
		v          any
	}{
		{"pedserver", "`-mode show`", pedserver.Status{}},
		{"pedserver", "`-mode config -show`, each setting", setting.Effective{}},
		{"pedserver", "`-appliance list`, `-administrator list`", linkid.Listed{}},
		{"pedclient", "`-mode show`", pedclient.Status{}},
		{"pedclient", "`-mode listid`", pedclient.PEDID{}},
		{"pedclient", "`-mode testid`", pedclient.ProbeResult{}},
	} {
		want := map[string]string{}
		fields("", reflect.TypeOf(c.v), want)
		have := map[string]string{}
		for _, tab := range load(t, "docs/cli/"+c.page+".md").section(t, "JSON").tables() {
			if tab.bold == c.bold && tab.header[0] == "field" {
				for _, r := range tab.rows {
					have[bare(r[0])] = r[1]
				}
			}
		}
		var names []string
		for f := range want {
			names = append(names, f)
		}
		sort.Strings(names)
		for _, f := range names {
			if have[f] != want[f] {
				t.Errorf("%s, %s: want\n| `%s` | %s | |", c.page, c.bold, f, want[f])
			}
		}
		for f := range have {
			if want[f] == "" {
				t.Errorf("%s, %s: there is no field %s", c.page, c.bold, f)
			}
		}
	}
}

// fields collects the JSON fields of a type: "ped.serial", "slots[].state".
func fields(prefix string, typ reflect.Type, into map[string]string) {
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	for i := range typ.NumField() {
		f := typ.Field(i)
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if f.Anonymous && name == "" {
			fields(prefix, f.Type, into)
			continue
		}
		ft := f.Type
		for ft.Kind() == reflect.Pointer {
			ft = ft.Elem()
		}
		kind := ""
		path := prefix + name
		switch {
		case ft == reflect.TypeOf(time.Time{}):
			kind = "time"
		case ft.Kind() == reflect.Struct:
			fields(path+".", ft, into)
			continue
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			fields(path+"[].", ft.Elem(), into)
			continue
		case ft.Kind() == reflect.Slice:
			kind = "list of " + simple(ft.Elem())
		case ft.Kind() == reflect.Map:
			kind = simple(ft.Elem()) + " by " + simple(ft.Key())
		default:
			kind = simple(ft)
		}
		if strings.Contains(options, "omit") {
			kind += ", or absent"
		}
		into[path] = kind
	}
}

func simple(t reflect.Type) string {
	switch k := t.Kind(); {
	case k == reflect.Bool:
		return "true or false"
	case k == reflect.String:
		return "text"
	case k >= reflect.Int && k <= reflect.Float64:
		return "number"
	}
	return t.String()
}
