package cmdline

import (
	"fmt"
	"strconv"
	"strings"
)

// Version is the project's version, "major.minor.patch".
const Version = "0.1.0"

// VersionText returns the version as the vendor writes his: "0.1.0 (100)",
// where the number is major·10000 + minor·100 + patch.
func VersionText() string {
	code := 0
	for part := range strings.SplitSeq(Version, ".") {
		n, _ := strconv.Atoi(part)
		code = code*100 + n
	}
	return fmt.Sprintf("%s (%d)", Version, code)
}
