package main

import (
	"bytes"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"
	"unsafe"
)

// transport stands between the MQTT bytes of a connection and its socket: TLS, WebSocket, or one in the other.
// A plain connection has none. TLS shakes hands in a goroutine of its own, with the socket out of the loop; from then
// on all happens in the loop: one read and one write per connection and turn, as without.
type transport struct {
	tls      *tls.Conn // nil without TLS
	raw      *wire     // what TLS reads from and writes to
	ws       *frames   // nil without WebSocket
	sealed   []byte    // bytes for the socket
	off      int       // so many of them are written
	framed   []byte    // scratch: frames before TLS
	opened   []byte    // scratch: TLS plaintext before the frames
	err      error     // of the handshake
	upgraded bool
}

// ---- TLS ----

// wire is the connection that crypto/tls sees. In the handshake it blocks; afterwards it gives what the loop has read
// and keeps what the loop shall write.
type wire struct {
	fd       int
	blocking bool
	in       []byte
	out      *[]byte
	deadline int64
}

type tryAgain struct{}

func (tryAgain) Error() string   { return "nothing to read yet" }
func (tryAgain) Timeout() bool   { return true }
func (tryAgain) Temporary() bool { return true } // crypto/tls goes on after such an error, with what it has read

func (w *wire) Read(b []byte) (int, error) {
	if len(w.in) > 0 {
		n := copy(b, w.in)
		w.in = w.in[n:]
		return n, nil
	}
	if !w.blocking {
		return 0, tryAgain{}
	}
	for {
		n, err := syscall.Read(w.fd, b)
		switch {
		case err == syscall.EAGAIN || err == syscall.EINTR:
			if err := w.poll(1 /* POLLIN */); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		case n == 0:
			return 0, errEOF
		default:
			return n, nil
		}
	}
}

func (w *wire) Write(b []byte) (int, error) {
	if !w.blocking {
		*w.out = append(*w.out, b...)
		return len(b), nil
	}
	for at := 0; at < len(b); {
		n, err := syscall.Write(w.fd, b[at:])
		switch {
		case err == syscall.EAGAIN || err == syscall.EINTR:
			if err := w.poll(4 /* POLLOUT */); err != nil {
				return at, err
			}
		case err != nil:
			return at, err
		default:
			at += n
		}
	}
	return len(b), nil
}

func (w *wire) poll(events int16) error {
	fds := struct {
		fd      int32
		events  int16
		revents int16
	}{int32(w.fd), events, 0}
	if nano() > w.deadline {
		return errors.New("TLS handshake: no answer for 10 s")
	}
	_, _, e := syscall.Syscall(syscall.SYS_POLL, uintptr(unsafe.Pointer(&fds)), 1, 500)
	if e != 0 && e != syscall.EINTR {
		return e
	}
	return nil
}

func (w *wire) Close() error                     { return nil }
func (w *wire) LocalAddr() net.Addr              { return nil }
func (w *wire) RemoteAddr() net.Addr             { return nil }
func (w *wire) SetDeadline(time.Time) error      { return nil }
func (w *wire) SetReadDeadline(time.Time) error  { return nil }
func (w *wire) SetWriteDeadline(time.Time) error { return nil }

// begin starts what comes before CONNECT on a socket that is connected.
func (l *Loop) begin(c *Conn) {
	if l.tls == nil && !l.ws {
		c.greet()
		return
	}
	c.t = &transport{}
	if l.ws {
		c.t.ws = &frames{}
	}
	if l.tls == nil {
		c.upgrade()
		return
	}
	c.state = stHandshake
	l.watch(c, 0)
	c.t.raw = &wire{fd: c.fd, blocking: true, out: &c.t.sealed, deadline: nano() + 10e9}
	c.t.tls = tls.Client(c.t.raw, l.tls)
	go func() {
		c.t.err = c.t.tls.Handshake()
		c.t.raw.blocking = false
		l.shaken <- c
		syscall.Write(l.wakeOut, []byte{1})
	}()
}

// greeted takes the connections whose handshake is through back into the loop.
func (l *Loop) greeted() {
	var b [256]byte
	syscall.Read(l.wakeIn, b[:])
	for {
		select {
		case c := <-l.shaken:
			if c.state != stHandshake {
				continue
			}
			if c.t.err != nil {
				c.broken(fmt.Errorf("TLS: %w", c.t.err))
				continue
			}
			l.watch(c, syscall.EPOLLIN)
			if c.t.ws != nil {
				c.upgrade()
			} else {
				c.greet()
			}
			// What came in the same read as the end of the handshake.
			l.through(c, nil)
		default:
			return
		}
	}
}

// greet sends CONNECT.
func (c *Conn) greet() {
	c.state = stConnackWait
	c.out = append(c.out, encodeConnect(c.opts)...)
	c.flush()
}

// seal turns what the scenario has written into bytes for the socket.
func (t *transport) seal(plain []byte) error {
	if t.ws != nil && t.upgraded {
		t.framed = t.ws.wrap(t.framed[:0], plain)
		plain = t.framed
	}
	if t.tls == nil {
		t.sealed = append(t.sealed, plain...)
		return nil
	}
	_, err := t.tls.Write(plain)
	return err
}

// through reads MQTT bytes out of bytes from the socket, and handles the packets in them.
func (l *Loop) through(c *Conn, in []byte) {
	t := c.t
	data := append(l.plain[:0], c.left...)
	var err error
	if t.tls == nil {
		data, err = t.unframe(c, in, data)
	} else {
		t.raw.in = in
		for err == nil {
			const most = 16 << 10 // plaintext of one record
			if t.ws == nil {
				if cap(data)-len(data) < most {
					data = append(data, make([]byte, most)...)[:len(data)]
				}
				var n int
				n, err = t.tls.Read(data[len(data) : len(data)+most])
				data = data[:len(data)+n]
			} else {
				if t.opened == nil {
					t.opened = make([]byte, most)
				}
				var n int
				n, err = t.tls.Read(t.opened)
				if n > 0 {
					if data, err = t.unframe(c, t.opened[:n], data); err != nil {
						break
					}
				}
			}
		}
		if _, again := err.(tryAgain); again {
			err = nil
		}
	}
	l.plain = data
	if c.state == stClosed {
		return
	}
	l.parse(c, data)
	if err != nil && c.state != stClosed {
		c.broken(err)
	}
}

// ---- WebSocket ----

// frames is the state of a WebSocket connection after the upgrade.
type frames struct {
	joined bool   // one frame for all that is written in a turn, in place of one for each packet
	left   []byte // the beginning of a frame, or of the answer to the upgrade
	rest   uint64 // bytes of the open data frame that are to come
}

// The key and the answer of the specification's own example (RFC 6455, section 1.3).
const upgradeRequest = "GET /mqtt HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n"

var upgradeAccept = []byte("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")

func (c *Conn) upgrade() {
	c.state = stUpgrade
	c.t.ws.joined = c.l.wsJoined
	c.out = append(c.out, upgradeRequest...)
	c.flush()
}

// unframe appends the payloads of the frames in in to out.
func (t *transport) unframe(c *Conn, in, out []byte) ([]byte, error) {
	f := t.ws
	if f == nil {
		return append(out, in...), nil
	}
	if len(f.left) > 0 {
		in = append(f.left, in...)
		f.left = nil
	}
	if !t.upgraded {
		end := bytes.Index(in, []byte("\r\n\r\n"))
		if end < 0 {
			f.left = append([]byte(nil), in...)
			return out, nil
		}
		if !bytes.HasPrefix(in, []byte("HTTP/1.1 101")) || !bytes.Contains(in[:end], upgradeAccept) {
			line, _, _ := bytes.Cut(in, []byte("\r\n"))
			return out, fmt.Errorf("no WebSocket: %s", line)
		}
		in = in[end+4:]
		t.upgraded = true
		c.greet()
	}
	for len(in) > 0 {
		if f.rest > 0 {
			n := min(f.rest, uint64(len(in)))
			out = append(out, in[:n]...)
			in = in[n:]
			f.rest -= n
			continue
		}
		head, size := 2, uint64(0)
		if len(in) >= 2 {
			switch size = uint64(in[1] & 0x7f); size {
			case 126:
				if head = 4; len(in) >= head {
					size = uint64(binary.BigEndian.Uint16(in[2:]))
				}
			case 127:
				if head = 10; len(in) >= head {
					size = binary.BigEndian.Uint64(in[2:])
				}
			}
		}
		if len(in) < head || in[0]&8 != 0 && uint64(len(in)) < uint64(head)+size {
			f.left = append([]byte(nil), in...)
			return out, nil
		}
		if in[1]&0x80 != 0 {
			return out, errors.New("a masked frame from the broker")
		}
		switch in[0] & 15 {
		case 0, 2:
			f.rest = size
			in = in[head:]
			continue
		case 8:
			return out, errEOF
		case 9:
			t.sealed = append(t.sealed, 0x8a, 0x80, 0, 0, 0, 0) // an empty pong: nobody here looks at its payload
			c.dirtied()
		case 10:
		default:
			return out, fmt.Errorf("a frame of opcode %d from the broker", in[0]&15)
		}
		in = in[head+int(size):]
	}
	return out, nil
}

// mask is the same for all frames: it protects proxies from the payload, and here are none.
var mask = [8]byte{0x37, 0xfa, 0x21, 0x3d, 0x37, 0xfa, 0x21, 0x3d}

// wrap appends MQTT packets as masked binary frames.
func (f *frames) wrap(out, packets []byte) []byte {
	for len(packets) > 0 {
		n := len(packets)
		if !f.joined {
			if rest, used := varint(packets[1:]); used > 0 {
				n = min(n, 1+used+rest)
			}
		}
		switch {
		case n < 126:
			out = append(out, 0x82, 0x80|byte(n))
		case n < 1<<16:
			out = append(out, 0x82, 0x80|126, byte(n>>8), byte(n))
		default:
			out = append(out, 0x82, 0x80|127)
			out = binary.BigEndian.AppendUint64(out, uint64(n))
		}
		out = append(out, mask[:4]...)
		at := len(out)
		out = append(out, packets[:n]...)
		b := out[at:]
		key := binary.LittleEndian.Uint64(mask[:])
		for len(b) >= 8 {
			binary.LittleEndian.PutUint64(b, binary.LittleEndian.Uint64(b)^key)
			b = b[8:]
		}
		for i := range b {
			b[i] ^= mask[i]
		}
		packets = packets[n:]
	}
	return out
}
