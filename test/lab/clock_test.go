package lab

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// shown waits until its wall clock has gone as far as it is told, at most 10 s,
// and prints how far, to the hour, and whether its monotonic clock says that this
// was no hour.
const shown = `package main

import (
	"fmt"
	"os"
	"time"
)

func main() {
	want, _ := time.ParseDuration(os.Args[1])
	a := time.Now()
	fmt.Println("ready")
	fmt.Scanln()
	for {
		b := time.Now()
		wall := b.Round(0).Sub(a.Round(0)).Round(time.Hour)
		if wall == want || b.Sub(a) > 10*time.Second {
			fmt.Println(wall, b.Sub(a) < time.Hour)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
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
		file, want := write("clock", ""), (time.Duration(jump) * time.Second).String()
		cmd := exec.Command(bin, want)
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
		_, _ = fmt.Fprintln(stdin)
		_, _ = fmt.Fscan(stdout, &wall, &steady)
		if err := cmd.Wait(); err != nil {
			t.Fatal(err)
		}
		if steady != "true" || wall != want {
			t.Errorf("a jump by %s showed as %s, monotonic: %s", want, wall, steady)
		}
	}
}
