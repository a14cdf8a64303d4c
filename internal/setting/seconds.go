package setting

import "strconv"

// maxSeconds is the longest time-out that can be set: a day.
const maxSeconds = 86400

// Seconds is the setting of a time-out.
func Seconds(name, key string, min, def int, live bool, usage string, in []string) *Setting {
	return &Setting{Name: name, Key: key, Value: "seconds", Unit: "seconds", Kind: Int, Min: min, Max: maxSeconds, Default: strconv.Itoa(def),
		Live: live, Usage: usage, In: in}
}

// OnOff is the setting of a switch that the vendor writes as 0 or 1.
func OnOff(name, key string, on, live bool, usage string, in []string) *Setting {
	def := "0"
	if on {
		def = "1"
	}
	return &Setting{Name: name, Key: key, Value: "0 or 1", Kind: Bit, Default: def, Live: live, Usage: usage, In: in}
}

// Port is the setting of a TCP port; def 0 is none.
func Port(name, key string, def int, usage string, in []string) *Setting {
	s := &Setting{Name: name, Key: key, Value: "port", Kind: Int, Min: 1, Max: 65535, Usage: usage, In: in}
	if def > 0 {
		s.Default = strconv.Itoa(def)
	}
	return s
}
