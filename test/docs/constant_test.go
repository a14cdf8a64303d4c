package docs

import (
	"go/constant"
	"go/token"
	"go/types"
	"regexp"
	"strings"
	"testing"
)

// inCode says where a constant of the table is in the code: a file and a
// regular expression whose group is its value, an expression of Go. A constant
// that stands in several places has several.
var inCode = map[string][]string{
	"one clear message of the channel, after its header": {`protocol/channel/message.go`, `MaxClear\s+= (\d+)`},
	"ciphertext of one record":                           {`protocol/channel/message.go`, `MaxCiphertext\s+= (\d+)`},
	"payload of one record":                              {`protocol/channel/record.go`, `MaxPayload = MaxCiphertext - (4)\n`, "65536-"},
	"record, whole":                                      {`protocol/channel/message.go`, `MaxRecord\s+= HeaderSize \+ MaxCiphertext \+ (TagSize)\n`, "16+65536+"},
	"unit of padding":                                    {`protocol/channel/record.go`, `padTo = (\d+)`},
	"secret in a wrap":                                   {`protocol/channel/secretwrap.go`, `MaxSecret = (\d+)`},
	"wrapped secret":                                     {`protocol/message.go`, `MaxWrapped\s+= (\d+)`},
	"certificate in a channel message":                   {`protocol/channel/message.go`, `MaxCert\s+= (\d+)`},
	"certificate":                                        {`certs/profile.go`, `MaxCert = (\d+)`},
	"PED message":                                        {`protocol/message.go`, `MaxMessage\s+= (\d+)`},
	"channel frame on link and USB":                      {`protocol/frame.go`, `MaxPEDFrame\s+= (\d+)`},
	"link frame":                                         {`protocol/frame.go`, `MaxFrameBody\s+= (\d+)`},
	"HSM socket frame":                                   {`protocol/hsmapi/message.go`, `MaxFrame\s+= (\d+)`},
	"secret on PED keys":                                 {`rpv/shares.go`, `SecretSize = (\d+)`},
	"fields of a key container":                          {`rpv/codec.go`, `maxFields\s+= (.+)\n`},
	"HSM state file":                                     {`hsm/virtual/file.go`, `maxFile = (.+?) //`},
	"audit record":                                       {`internal/audit/record.go`, `MaxRecord = (.+?) //`},

	"records per direction of a session":                       {`protocol/channel/record.go`, `limitRecords = (.+)\n`},
	"ciphertext per direction of a session":                    {`protocol/channel/record.go`, `limitBytes\s+= (.+)\n`},
	"shares of a keyset":                                       {`protocol/ids.go`, `MaxShares = (\d+)`},
	"HSMs served by a set on a key":                            {`rpv/key.go`, `MaxIssuers\s+= (\d+)`},
	"digits of a PIN, least":                                   {`rpv/pin.go`, `MinPIN = (\d+)`},
	"digits of a PIN, most":                                    {`rpv/pin.go`, `MaxPIN = (\d+)`},
	"digits of a one-time password":                            {`hsm/guess.go`, `passwordDigits = (\d+)`},
	"extensions of a channel or link HELLO":                    {`protocol/channel/message.go`, `MaxExtensions = (\d+)`},
	"slots of a PEDclient":                                     {`pedclient/client.go`, `MaxSlots = (\d+)`},
	"port of PEDclient, for PEDservers":                        {`pedclient/client.go`, `DefaultListenPort = (\d+)`},
	"PED IDs":                                                  {`pedclient/ids.go`, `MaxPEDID = (\d+)`},
	"connections to PEDclient's port that are not known yet":   {`pedclient/listen.go`, `maxPending = (\d+)`},
	"of these from one address":                                {`pedclient/listen.go`, `maxPerAddr = (\d+)`},
	"TLS and HELLO of a PED-initiated link":                    {`pedclient/listen.go`, `greetTime  = (.+?) //`},
	"return of a PED-initiated link, without an idle time-out": {`pedclient/regain.go`, `regainTime  = (.+?) //`},
	"opening a local PED":                                      {`pedclient/cable.go`, `cableOpen  = (.+?) //`},
	"first event of a local PED":                               {`pedclient/cable.go`, `cableState = (.+?) //`},
	"a local PED to notice that its host before has gone":      {`pedclient/cable.go`, `cableLeave = (.+?) //`},
	"a local PED that is given up, to go idle":                 {`pedclient/cable.go`, `cableGrace = (.+?) //`},
	"callers of a PEDclient":                                   {`pedclient/places.go`, `maxCallers\s+= (\d+)`},
	"of those of one user":                                     {`pedclient/places.go`, `maxPerUser\s+= (\d+)`},
	"of those kept for root and its own user":                  {`pedclient/places.go`, `keptCallers\s+= (\d+)`},
	"connections to a PEDserver without the PED":               {`pedserver/config.go`, `c\.MaxPending = (\d+)`},
	"of those from one address":                                {`pedserver/config.go`, `c\.MaxPerAddress = (\d+)`},
	"messages not yet taken, USB host":                         {`usbped/conn.go`, `queueLen = (\d+)`},
	"port of PEDserver":                                        {`pedserver/config.go`, `DefaultPort = (\d+)`},
	"an action at the PED":                                     {`hsm/slot.go`, `o\.ActionTimeout = (.+)\n`},
	"an action at the PED, in the handshake":                   {`softped/firmware.go`, `DefaultActionTime = (.+)\n`},
	"Activity records":                                         {`softped/link.go`, `activityEvery = (.+)\n`},
	"silence after Begin or within an operation":               {`hsm/link.go`, `silentTime = (.+?) //`},
	"next message within an operation":                         {`softped/op.go`, `hsmWait = (.+)\n`},
	"Confirm after PedAuth":                                    {`softped/link.go`, `confirmWait = (.+)\n`},
	"longest slow-down of a handshake":                         {`hsm/guess.go`, `slowest\s+= (.+)\n`},
	"Hello to Reply":                                           {`hsm/link.go`, `proofTime\s+= (.+?) //`},
	"ACQUIRED to proof":                                        {`pedserver/config.go`, `c\.ProofTimeout, (.+)\)\n`},
	"one-time password, from Begin":                            {`hsm/guess.go`, `passwordTime\s+= (.+?) //`},
	"PedAuth with an orange key, from Begin":                   {`hsm/guess.go`, `orangeTime\s+= (.+?) //`},
	"keys that one operation refuses":                          {`hsm/operation.go`, `maxRefused = (\d+)`},
	"session at the start of an operation":                     {`hsm/life.go`, `sessionFresh = (.+)\n`},
	"session":                                                  {`hsm/life.go`, `sessionLimit = (.+)\n`},
	"session, at the PED":                                      {`softped/link.go`, `sessionLimit = (.+)\n`},
	"one frame to the PED's connection":                        {`hsm/link.go`, `sendTime\s+= (.+?) //`},
	"notice at the end of an operation":                        {`softped/rest.go`, `noticeTime = (.+)\n`},
	"from a TLS peer that is not accepted yet":                 {`certs/linkid/quiet.go`, `maxHandshake = (.+?) //`},
	"file of a certificate or a private key":                   {`internal/pemfile/pemfile.go`, `MaxSize = (.+)\n`},
	"years that a TLS certificate is valid":                    {`certs/linkid/certificate.go`, `validYears\s+= (\d+)`},
	"TLS handshake":                                            {`certs/linkid/handshake.go`, `handshakeTime = (.+)\n`},
	"good-bye of TLS":                                          {`certs/linkid/quiet.go`, `closeTime\s+= (.+)\n`},
	"HELLO and ACQUIRE":                                        {`pedserver/config.go`, `c\.ReadTimeout, (.+)\)\n`},
	"dial and ACQUIRED":                                        {`pedclient/timers.go`, `t\.Dial, (.+)\)\n`},
	"PING":                                                     {`pedserver/config.go`, `c\.PingInterval, (.+)\)\n`},
	"silence on the link":                                      {`pedserver/config.go`, `c\.PingTimeout, (.+)\)\n`},
	"one frame on the link":                                    {`pedserver/config.go`, `c\.WriteTimeout, (.+)\)\n`},
	"one exchange with the PED":                                {`pedserver/config.go`, `c\.DeviceWait, (.+)\)\n`},
	"idle time-out":                                            {`pedserver/config.go`, `c\.IdleTimeout, (.+)\)\n`},
	"one frame for the PED":                                    {`pedserver/config.go`, `c\.FrameWait, (.+)\)\n`},
	"closing the PED":                                          {`pedserver/device.go`, `closeWait = (.+)\n`},
	"call to the PED that was told to end":                     {`pedserver/calls.go`, `obey = (.+)\n`},
	"calls to the PED that hang, for it to be opened":          {`pedserver/calls.go`, `maxHung = (.+)\n`},
	"wait for a holder that goes":                              {`pedserver/hold.go`, `grace = (.+)\n`},
	"silence that gives way":                                   {`internal/strangers/limits.go`, `patience = (.+)\n`},
	"silence of one who was asked, that gives way":             {`internal/strangers/limits.go`, `answerTime = (.+)\n`},
	"between two refused calls":                                {`pedserver/server.go`, `refuseEvery = (.+)\n`},
	"between two TLS handshakes of strangers":                  {`pedserver/server.go`, `shakeEvery  = (.+)\n`},
	"answer of an appliance":                                   {`pedserver/appliance.go`, `dialTime   = (.+?) +//`},
	"pause between tries to connect, at most":                  {`pedserver/appliance.go`, `triesDelay = (.+?) +//`},
	"pause until a link is made again, at most":                {`pedserver/appliance.go`, `againDelay = (.+?) +//`},
	"tries to connect":                                         {`pedserver/appliance.go`, `maxTries   = (\d+)`},
	"search for a PED":                                         {`pedserver/config.go`, `c\.ReopenEvery, (.+)\)\n`},
	"hanging up after the last word":                           {`pedserver/link.go`, `linger = (.+)\n`},
	"CANCELED":                                                 {`usbped/conn.go`, `CancelTimeout = (.+)\n`},
	"listing the bus, opening a device on it, each":            {`usbped/libusb/opener.go`, `lookTime = (.+)\n`},
	"claim, clearing halts, port reset, release, each":         {`usbped/libusb/opener.go`, `stepTime = (.+)\n`},
	"system calls for USB that hang, of a host":                {`usbped/libusb/hang.go`, `maxHung = (\d+)`},
	"RESET and INFO, each":                                     {`usbped/conn.go`, `AnswerTimeout = (.+)\n`},
	"silence of a host on a cable":                             {`usbped/conn.go`, `HostTimeout = (.+)\n`},
	"segment of it on USB":                                     {`usbped/frame.go`, `MaxSegment = (\d+)`},
	"what a host drops while it opens a PED":                   {`usbped/lane.go`, `maxStale = (.+)\n`},
	"credit on USB, of softped":                                {`usbped/gadget.go`, `window = (.+)\n`},
	"PONG":                                                     {`usbped/conn.go`, `PongTimeout = (.+)\n`},
	"one frame on USB, or credit for it":                       {`usbped/conn.go`, `WriteTimeout = (.+)\n`},
	"opening on USB":                                           {`usbped/conn.go`, `HandshakeTimeout = (.+)\n`},
	"one message to a caller":                                  {`pedclient/caller.go`, `callerWrite\s+= (.+?)\s+//`},
	"Progress 5":                                               {`pedclient/caller.go`, `aliveEvery\s+= (.+?) //`},
	"silence of the server while a request runs":               {`hsmcm/client.go`, `silenceLimit = (.+)\n`},
	"answer to a Prompt":                                       {`pedclient/caller.go`, `promptAnswer = (.+?) //`},
	"request to an administration":                             {`internal/admin/handler.go`, `maxBody\s+= (.+?) //`},
	"answer of an administration":                              {`internal/admin/handler.go`, `maxAnswer\s+= (.+?) //`},
	"record of a log":                                          {`internal/logs/queue.go`, `maxRecord = (.+?) //`},
	"log file, in KB, by default":                              {`internal/logs/logs.go`, `DefaultMaxKB = (\d+)`},
	"connections to an administration socket":                  {`internal/admin/door.go`, `localPlaces\s+= (\d+)`},
	"of those of members of the group, besides":                {`internal/admin/door.go`, `memberPlaces\s+= (\d+)`},
	"of those, for members of the group":                       {`internal/admin/handler.go`, `membersLong\s+= (\d+)`},
	"connections to an administration port":                    {`internal/admin/door.go`, `remotePlaces\s+= (\d+)`},
	"of those to the port, from one address":                   {`internal/admin/door.go`, `perAddress\s+= (\d+)`},
	"calls of an administration that may take long":            {`internal/admin/handler.go`, `maxLong\s+= (\d+)`},
	"records that wait for a log that hangs":                   {`internal/logs/queue.go`, `queued\s+= (\d+)`},
	"request to an administration, whole":                      {`internal/admin/handler.go`, `requestTime = (.+)\n`},
	"between two TLS handshakes at an administration port":     {`internal/admin/door.go`, `handshakePace = (.+?) +//`},
	"between two looks for an address":                         {`internal/bind/set.go`, `again = (.+)\n`},
	"try of an own address":                                    {`internal/bind/reach.go`, `reachTime = (.+?) //`},
	"between two looks for the wanted log file":                {`internal/logs/sink.go`, `searchAgain = (.+)\n`},
	"record to be written, for whom logs it":                   {`internal/logs/queue.go`, `patience\s+= (.+?) //`},
	"PING of the client":                                       {`pedclient/timers.go`, `t\.PingInterval, (.+)\)\n`},
	"silence on the link, for the client":                      {`pedclient/timers.go`, `t\.PingTimeout, (.+)\)\n`},
	"one frame on the link, of the client":                     {`pedclient/timers.go`, `t\.Write, (.+)\)\n`},
}

// alsoIn are constants that a second file has as well.
var alsoIn = map[string]string{
	"session":               "session, at the PED",
	"PING":                  "PING of the client",
	"silence on the link":   "silence on the link, for the client",
	"one frame on the link": "one frame on the link, of the client",
}

// notInCode are rows that the code has no constant for.
var notInCode = map[string]bool{
	"CLEAR held": true, // a face's business: there is a key for it
}

func TestConstants(t *testing.T) {
	used := map[string]bool{}
	for _, tab := range load(t, "docs/SPEC.md").section(t, "Constants and time-outs").tables() {
		for _, r := range tab.rows {
			if notInCode[r[0]] {
				continue
			}
			for _, name := range []string{r[0], alsoIn[r[0]]} {
				if name == "" {
					continue
				}
				used[name] = true
				where, ok := inCode[name]
				if !ok {
					t.Errorf("nobody checks %q", name)
					continue
				}
				if want, got := quantity(t, r[1]), codeValue(t, where); want != got {
					t.Errorf("%s: %s (%s) in the text, %s in the code", name, r[1], want, got)
				}
			}
		}
	}
	for name := range inCode {
		if !used[name] {
			t.Errorf("the text has no constant %q", name)
		}
	}
}

// codeValue evaluates the expression that a file has for a constant.
func codeValue(t *testing.T, where []string) string {
	t.Helper()
	m := regexp.MustCompile(where[1]).FindStringSubmatch(read(t, where[0]))
	if m == nil {
		t.Errorf("%s has no %s", where[0], where[1])
		return ""
	}
	expr := m[1]
	if len(where) > 2 {
		expr = where[2] + expr
	}
	expr = strings.NewReplacer("time.Millisecond", "1000000", "time.Second", "1000000000", "time.Minute", "60000000000", "time.Hour", "3600000000000",
		"TagSize", "64").Replace(expr)
	return eval(t, expr)
}

func eval(t *testing.T, expr string) string {
	t.Helper()
	v, err := types.Eval(token.NewFileSet(), nil, token.NoPos, expr)
	if err != nil || v.Value == nil || v.Value.Kind() != constant.Int {
		t.Errorf("%q is no number: %v", expr, err)
		return ""
	}
	return v.Value.ExactString()
}

// quantity reads "16 384", "64 GiB", "2^32" and "250 ms"; times are in
// nanoseconds.
func quantity(t *testing.T, cell string) string {
	t.Helper()
	m := regexp.MustCompile(`^(2\^)?([\d ]*\d)(?: (ms|s|min|h|KiB|MiB|GiB))?$`).FindStringSubmatch(cell)
	if m == nil {
		t.Errorf("%q is no quantity", cell)
		return ""
	}
	expr := strings.ReplaceAll(m[2], " ", "")
	if m[1] != "" {
		expr = "1<<" + expr
	}
	unit := map[string]string{"": "1", "ms": "1000000", "s": "1000000000", "min": "60000000000", "h": "3600000000000", "KiB": "1<<10", "MiB": "1<<20", "GiB": "1<<30"}[m[3]]
	return eval(t, "("+expr+")*("+unit+")")
}
