package strangers

import "net"

// TLSHandshake is the first byte of who wants TLS; no frame of the link has that
// type.
const TLSHandshake = 0x16

// Peek waits for the first byte of a connection. The connection that it returns
// still has it.
func Peek(c net.Conn) (net.Conn, byte, error) {
	p := &peeked{Conn: c, first: make([]byte, 1)}
	_, err := c.Read(p.first)
	return p, p.first[0], err
}

type peeked struct {
	net.Conn
	first []byte // not read yet
}

// Read implements net.Conn.
func (p *peeked) Read(b []byte) (int, error) {
	if len(p.first) == 0 {
		return p.Conn.Read(b)
	}
	n := copy(b, p.first)
	p.first = p.first[n:]
	return n, nil
}
