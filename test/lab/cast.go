package lab

// Cast are the PED keys that a new lab has, all blank.
var Cast = []string{"orange1", "orange2", "blue1", "blue2", "blue3", "red1"}

// Of returns a keyset of which m are needed, each with a PIN of its own.
func Of(m int, names ...string) Keyset {
	k := Keyset{M: m}
	for _, n := range names {
		k.Keys = append(k.Keys, Key{n, PIN(n)})
	}
	return k
}

// PIN is the PIN of 8 digits that the holder of a key has in a lab.
func PIN(key string) string {
	h := uint32(2166136261)
	for _, c := range []byte(key) {
		h = (h ^ uint32(c)) * 16777619
	}
	digits := []byte("00000000")
	for i := range digits {
		digits[i] += byte(h % 9)
		h = h*1664525 + 1013904223
	}
	digits[0]++
	return string(digits)
}

// The keysets that Pair and Init make.
var (
	Orange = Of(1, "orange1")
	Blue   = Of(2, "blue1", "blue2", "blue3")
	Red    = Of(1, "red1")
)

// Everybody are the people of a lab with its usual keys: they answer a connect,
// a login, and the making of the usual keysets.
func Everybody() People {
	return People{Orange: Orange, Login: Blue, NewOrange: Orange, NewBlue: Blue, NewRed: Red}
}

// Pair connects slot 1 by a one-time password, makes the remote PED vector on
// the usual orange key, and connects anew with that.
func (l *Lab) Pair() {
	l.T.Helper()
	l.Must(l.Connect("-password"), Everybody())
	l.Must("ped vector init", Everybody())
	l.Must("ped disconnect", People{})
	l.Must(l.Connect(), People{})
}

// Init initialises the HSM in slot 1 with the usual blue and red keys.
func (l *Lab) Init() {
	l.T.Helper()
	l.Must("hsm init -label lab -force", Everybody())
}
