package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// shown prints how far its wall clock went on until it was given a line, to the
// hour, and whether its monotonic clock says that this was no hour.
const shown = `package main

import (
	"fmt"
	"time"
)

func main() {
	a := time.Now()
	fmt.Println("ready")
	fmt.Scanln()
	b := time.Now()
	fmt.Println(b.Round(0).Sub(a.Round(0)).Round(time.Hour), b.Sub(a) < time.Hour)
}
`

// A running program sees its wall clock jump, and its monotonic clock not.
func TestClockJumps(t *testing.T) {
	dir := t.TempDir()
	overlay, err := clockOverlay(dir)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	source := write("shown.go", shown)
	bin := filepath.Join(dir, "shown")
	if out, err := exec.Command("go", "build", "-buildvcs=false", "-overlay", overlay, "-o", bin, source).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, jump := range []int{86400, -86400, 0} {
		file := write("clock", "")
		cmd := exec.Command(bin)
		cmd.Env = append(os.Environ(), ClockEnv+"="+file)
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		var word, wall, steady string
		_, _ = fmt.Fscan(stdout, &word)
		write("clock", fmt.Sprint(jump))
		time.Sleep(100 * time.Millisecond)
		_, _ = fmt.Fprintln(stdin)
		_, _ = fmt.Fscan(stdout, &wall, &steady)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if want := (time.Duration(jump) * time.Second).String(); steady != "true" || wall != want {
			t.Errorf("a jump by %s showed as %s, monotonic: %s", want, wall, steady)
		}
	}
}
