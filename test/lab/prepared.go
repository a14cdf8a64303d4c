package lab

import (
	"os"
	"strconv"
	"sync"
	"testing"
)

var prepared struct {
	mu   sync.Mutex
	dirs map[int]string // by the number of HSMs; "" when it could not be made
}

// Prepared is the folder of a lab, for Options.From, with a paired PED and so many
// initialised HSMs, all of the usual keysets. It is made once in a test process.
func Prepared(t testing.TB, hsms int) string {
	t.Helper()
	prepared.mu.Lock()
	defer prepared.mu.Unlock()
	dir, made := prepared.dirs[hsms]
	if !made {
		if prepared.dirs == nil {
			prepared.dirs = map[int]string{}
		}
		prepared.dirs[hsms] = ""
		dir = prepare(t, hsms)
		prepared.dirs[hsms] = dir
	}
	if dir == "" {
		t.Fatal("the lab could not be prepared")
	}
	return dir
}

func prepare(t testing.TB, hsms int) string {
	t.Helper()
	l := Start(t, Options{HSMs: hsms})
	l.Pair()
	l.Init()
	again := Everybody()
	again.ReuseOrange, again.ReuseBlue, again.ReuseRed = Orange, Blue, Red
	l.Must("ped disconnect", People{})
	for n := 2; n <= hsms; n++ {
		slot := " -slot " + strconv.Itoa(n)
		if err := l.PED().Mode("pair"); err != nil {
			t.Fatal(err)
		}
		l.Must(l.Connect("-password")+slot, Everybody())
		l.Must("ped vector init"+slot, again)
		l.Must("ped disconnect"+slot, People{})
		l.Must(l.Connect()+slot, Everybody())
		l.Must("hsm init -label lab -force"+slot, again)
		l.Must("ped disconnect"+slot, People{})
	}
	dir, err := os.MkdirTemp("", "openped-ready-")
	if err == nil {
		err = os.CopyFS(dir, os.DirFS(l.Save()))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func forgetPrepared() {
	for _, d := range prepared.dirs {
		if d != "" {
			_ = os.RemoveAll(d)
		}
	}
}
