package service

import "testing"

func TestProgramOf(t *testing.T) {
	for command, want := range map[string]string{
		`"C:\Program Files\openped\pedserver.exe" -mode start`:                   "pedserver",
		`C:\Program Files\openped\PEDserver.EXE -mode start -configfile a.exe b`: "pedserver",
		`C:\openped\pedserver -mode start`:                                       "pedserver",
		`C:\Program Files\openped\pedserver.exe`:                                 "pedserver",
		`"C:\a b\other.exe"`:                                                     "other",
		``:                                                                       "",
	} {
		if got := programOf(command); got != want {
			t.Errorf("%s: %q", command, got)
		}
	}
}

func TestQuoted(t *testing.T) {
	for command, want := range map[string]string{
		`C:\Program Files\x\p.exe -mode start`:   `"C:\Program Files\x\p.exe" -mode start`,
		`C:\Program Files\x\p.EXE`:               `"C:\Program Files\x\p.EXE"`,
		`"C:\Program Files\x\p.exe" -mode start`: `"C:\Program Files\x\p.exe" -mode start`,
		`C:\x\p.exe -configfile C:\a b`:          `C:\x\p.exe -configfile C:\a b`,
		`C:\some program`:                        `C:\some program`,
		``:                                       ``,
	} {
		if got := quoted(command); got != want {
			t.Errorf("%s: %s", command, got)
		}
	}
}
