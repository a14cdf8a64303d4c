package setting

import (
	"os"
	"strings"
	"testing"

	"openped/internal/conffile"
)

// FuzzLoadFile: whatever a file says, what is taken is in its range, and what is
// not taken is said in one line with the file's name.
func FuzzLoadFile(f *testing.F) {
	for _, s := range []string{
		"PedServer = { Port = 1600; IP = ::1, 10.0.0.1; LogInfo = 0; }", "Ped Server = { Port = 0; }", "[PedServer]\nPort=65536\nProt=1",
		"PedServer = { LocalLogger = 1; AllowedClients = 10.0.0.0/8,; LogFileName = ../x; PedDevice = unix:y; }",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := conffile.Parse(b)
		if err != nil {
			return
		}
		v := New(table)
		unknown, err := v.LoadFile(file, "/etc/x.conf", "PedServer", "Ped Server")
		if err != nil {
			unknown = append(unknown, err.Error())
		}
		for _, u := range unknown {
			if !strings.HasPrefix(u, "/etc/x.conf:") || strings.ContainsAny(u, "\n\x1b") {
				t.Fatalf("%q", u)
			}
		}
		if p := v.Int("port"); p < 1 || p > 65535 {
			t.Fatalf("port %d", p)
		}
		if log := v.Text("logfile"); log != "" && !os.IsPathSeparator(log[0]) {
			t.Fatalf("log file %q", log)
		}
	})
}
