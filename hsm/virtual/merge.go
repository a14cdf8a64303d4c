package virtual

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
)

// merge encodes d over old: objects are merged field by field, so that fields
// nobody here knows stay; everything else is d's. Values are never decoded into
// strings: there are secrets among them.
func merge(old json.RawMessage, d *document) (json.RawMessage, error) {
	fresh, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	defer clear(fresh)
	var text bytes.Buffer
	merged := mergeValue(old, fresh)
	defer clear(merged)
	text.Grow(2*len(merged) + 4096) // growing would leave copies of secrets
	if err := json.Indent(&text, merged, "", "  "); err != nil {
		return nil, ErrDamaged
	}
	text.WriteByte('\n')
	return text.Bytes(), nil
}

// mergeValue puts fresh over old.
func mergeValue(old, fresh json.RawMessage) json.RawMessage {
	var a, b map[string]json.RawMessage
	if !isObject(old) || !isObject(fresh) || json.Unmarshal(old, &a) != nil || json.Unmarshal(fresh, &b) != nil {
		return bytes.Clone(fresh)
	}
	out := []byte{'{'}
	for _, k := range order(a, b) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		name, _ := json.Marshal(k)
		out = append(append(out, name...), ':')
		v, known := b[k]
		if !known {
			out = append(out, a[k]...)
			continue
		}
		m := mergeValue(a[k], v)
		out = append(out, m...)
		clear(m)
		clear(v)
	}
	for _, v := range a {
		clear(v)
	}
	return append(out, '}')
}

// order lists magic and version first, for people who look at the file.
func order(a, b map[string]json.RawMessage) []string {
	keys := maps.Clone(b)
	maps.Copy(keys, a)
	first := func(k string) int {
		switch k {
		case "magic":
			return 0
		case "version":
			return 1
		}
		return 2
	}
	return slices.SortedFunc(maps.Keys(keys), func(x, y string) int {
		if d := first(x) - first(y); d != 0 {
			return d
		}
		return bytes.Compare([]byte(x), []byte(y))
	})
}

func isObject(v json.RawMessage) bool {
	v = bytes.TrimLeft(v, " \t\r\n")
	return len(v) > 0 && v[0] == '{'
}
