package vectorset

import (
	"fmt"
	"strings"
	"testing"
)

// TestKDAHybrid is two of NIST's sample cases for revision Cr2, where the second
// secret T stands in the fixed info: HMAC with a given salt of zeros, and KMAC
// with the same salt given and left to its default.
func TestKDAHybrid(t *testing.T) {
	const group = `{"tgId":%d,"testType":"VAL","kdfConfiguration":{"kdfType":"oneStep","l":1024,"fixedInfoPattern":"t||uPartyInfo||vPartyInfo||l","fixedInfoEncoding":"concatenation","auxFunction":"%s"},
	"tests":[{"tcId":%d,"kdfParameter":{%s"t":"%s","z":"%s","l":1024},"fixedInfoPartyU":{"partyId":"%s","ephemeralData":"%s"},"fixedInfoPartyV":{"partyId":"%s"},"dkm":"%s"}]}`
	salt := func(n int) string { return `"salt":"` + strings.Repeat("00", n) + `",` }
	hmacCase := []any{"F2DE6B6BE74D5D8BB20233B2BAF4CA5D", "20E4E9A0139C47168C827736283D076921AF2539F15865FD020C548D",
		"8C800372F7FBAF48699D2A81DC526F49", "7C86E0D4693EA0D3D3C9A738811461F9B845DB52E9F3B125208448E0", "4F2FF25EBE23005FA0C08F0FC6121A8A",
		"CA0B5441759F6B1E041191D6C0E1E60016803F0CBA95BF60F8185DC69F5BE46D7D25AB337E1B09BE92D0C0EE9F7480B25D4F81E3539D8262C5DC45376A4650EE" +
			"596FF864B3FD80D5DED122683A4420D371B8DF38B666ED0808E62726405C1CA5C18412B2D7266805313D65BD3951BF3E580633FB11CA2709807E4659EA6DFE75"}
	kmacCase := []any{"B1E9814476C9F8F56B475D43BD68A153", "1AED642D933C49F246C090E65A4D576B1EF7F02B054002FCFE5488546B37CE",
		"7A1B5703BA6CA2FF6CA08CF821DC7F6D", "9B430524445BE1B7DE26D513AB98251598D1C04B0A78F10E210226F71E5DD9", "3E2095130712BA7C4723CF065496C12D",
		"E868BCB033E24CC0AF3AB6978BC255C363BEA9FE0D24F9F2B5C45B41042620F3F40A92D9C2A9D590370127F1DE39F37E9EB837C164967164119F458132A3615E" +
			"BDE3023CDED20803E27EF7C2693550EF54C48A5467D01157D766F64A1DD1CFAFB0BDB46FD92CA16ADF323691020F095E655DC48EC822842549B622F5F8DA4D3C"}
	var groups []string
	for i, c := range []struct {
		function, salt string
		rest           []any
	}{
		{"HMAC-SHA2-512", salt(128), hmacCase},
		{"HMAC-SHA2-512", "", hmacCase},
		{"KMAC-128", salt(164), kmacCase},
		{"KMAC-128", "", kmacCase},
	} {
		groups = append(groups, fmt.Sprintf(group, append([]any{i, c.function, i, c.salt}, c.rest...)...))
	}
	prompt := `{"algorithm":"KDA","mode":"OneStep","revision":"Sp800-56Cr2","testGroups":[` + strings.Join(groups, ",") + `]}`
	set, err := Answer([]byte(prompt), nil)
	if err != nil {
		t.Fatal(err)
	}
	for i, g := range set.Groups {
		if v := g.Tests[0].(verdict); !v.Passed {
			t.Errorf("case %d is wrong", i)
		}
	}
	set, err = Answer([]byte(strings.Replace(prompt, "B1E9", "B1E8", 1)), nil)
	if err != nil || set.Groups[2].Tests[0].(verdict).Passed {
		t.Errorf("a changed T went unseen (%v)", err)
	}
}
