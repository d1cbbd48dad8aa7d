package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"time"
)

// Scenarios that ask whether one client's work holds up the others. The others are one client in a process of its own
// (the scenario probe), which sends itself a message every few milliseconds and times it.

// ---- probe ----

type prober struct {
	l    *Loop
	hist Hist
	lost int
}

func (p *prober) packet(c *Conn, typ, flags byte, body []byte) {
	if typ != tPublish {
		return
	}
	if m, ok := parsePublish(flags, body, c.v5); ok {
		if ts, _, _, ok := m.stamp(); ok {
			p.hist.Add(now - ts)
		}
	}
}

func (p *prober) closed(c *Conn, err error) { p.l.fail("connection lost: %v", err) }

// probed is what the probe saw since it was asked last.
type probed struct {
	N      uint64  `json:"n"`
	P50    float64 `json:"p50_us"`
	P99    float64 `json:"p99_us"`
	Max    float64 `json:"max_us"`
	Errors int     `json:"errors"`
}

// runProbe sends a message to itself every --interval. For each line on standard input it prints what it saw since the
// last, and begins anew; it ends with standard input.
func runProbe(c *config, l *Loop, w *watcher, r *Result) error {
	p := &prober{l: l}
	topic := fmt.Sprintf("%s/probe/%x", c.prefix, os.Getpid())
	conns := make([]*Conn, 1)
	if err := l.connectAll(1, 1, c.deadline, nil, func(int) (connectOpts, handler) {
		return c.conn(fmt.Sprintf("lg-probe-%x", os.Getpid())), p
	}, func(_ int, cn *Conn) { conns[0] = cn }); err != nil {
		return err
	}
	if _, err := l.subscribeAll(conns, 0, 1, 1, c.deadline, func(int) int { return 1 }, func(int, int) string { return topic }); err != nil {
		return err
	}
	t := newPubTemplate(c.v5, topic, 0, false, 16)
	ask := make(chan struct{}, 16)
	go func() {
		in := bufio.NewScanner(os.Stdin)
		for in.Scan() {
			ask <- struct{}{}
		}
		close(ask)
	}()
	due := nano()
	for nano() < c.deadline && conns[0].state == stReady {
		for due <= nano() {
			// Late or not: the time counts from when the message was due, so that a stall is seen whole.
			conns[0].out = t.put(conns[0].out, 0, due, 0, 0)
			conns[0].dirtied()
			due += int64(c.interval)
		}
		l.armTimer(due)
		l.step(20)
		select {
		case _, open := <-ask:
			if !open {
				conns[0].end()
				return nil
			}
			b, _ := json.Marshal(probed{p.hist.n, us(p.hist.Quantile(.5)), us(p.hist.Quantile(.99)), us(p.hist.max), l.errs})
			fmt.Println(string(b))
			p.hist.Reset()
		default:
		}
	}
	return fmt.Errorf("the probe lost its connection")
}

// probe is a running probe in a process of its own, so that this one's work does not count.
type probe struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Scanner
}

func (c *config) startProbe() (*probe, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	args := []string{"probe", "--host", c.host, "--port", strconv.Itoa(c.port), "--pid", "none", "--prefix", c.prefix + "p",
		"--interval", c.interval.String(), "--limit", c.limit.String()}
	if c.v5 {
		args = append(args, "--v5")
	}
	p := &probe{cmd: exec.Command(self, args...)}
	p.cmd.Stderr = os.Stderr
	if p.in, err = p.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	p.out = bufio.NewScanner(out)
	return p, p.cmd.Start()
}

// seen gives what the probe saw since it was asked last, under names that begin with name.
func (p *probe) seen(name string, r *Result) error {
	var s probed
	if _, err := io.WriteString(p.in, "\n"); err != nil {
		return err
	}
	if !p.out.Scan() || json.Unmarshal(p.out.Bytes(), &s) != nil {
		return fmt.Errorf("the probe said nothing: %s", p.out.Text())
	}
	if s.N == 0 {
		return fmt.Errorf("the probe got no message")
	}
	r.Extra[name+"_p99_us"], r.Extra[name+"_max_us"] = s.P99, s.Max
	r.Errors += int64(s.Errors)
	return nil
}

func (p *probe) end() {
	p.in.Close()
	p.cmd.Wait()
}

// ---- leave ----

// runLeave has one client with many subscriptions leave three times: by DISCONNECT, by closing its socket, and by
// unsubscribing from all of them. What it had is --filters; --others more belong to clients that stay.
func runLeave(c *config, l *Loop, w *watcher, r *Result) error {
	c.filters = c.filters / 4 * 4
	r.Filters, r.Clients = c.filters, c.clients
	h := plainHandler{l}
	tag := fmt.Sprintf("%x", os.Getpid())
	others := make([]*Conn, c.clients)
	if err := l.connectAll(len(others), c.conc, c.deadline, nil, func(i int) (connectOpts, handler) {
		return c.conn(fmt.Sprintf("lg-o%s-%d", tag, i)), h
	}, func(i int, cn *Conn) { others[i] = cn }); err != nil {
		return err
	}
	if _, err := l.subscribeAll(others, 0, c.batch, c.conc, c.deadline, func(i int) int { return (c.others - i + c.clients - 1) / c.clients },
		func(i, k int) string { return wildFilter(c.prefix+"o", k*c.clients+i) }); err != nil {
		return err
	}
	come := func(name string) (*Conn, error) {
		one := make([]*Conn, 1)
		if err := l.connectAll(1, 1, c.deadline, nil, func(int) (connectOpts, handler) {
			return c.conn(fmt.Sprintf("lg-%s%s", name, tag)), h
		}, func(_ int, cn *Conn) { one[0] = cn }); err != nil {
			return nil, err
		}
		_, err := l.subscribeAll(one, 0, c.batch, 1, c.deadline, func(int) int { return c.filters },
			func(_, k int) string { return wildFilter(c.prefix, k) })
		return one[0], err
	}
	p, err := c.startProbe()
	if err != nil {
		return err
	}
	defer p.end()
	l.idle(500 * time.Millisecond)
	for _, way := range []string{"disconnect", "close", "unsubscribe"} {
		cn, err := come(way)
		if err != nil {
			return err
		}
		l.idle(time.Second)
		if err := p.seen("subscribing", r); err != nil {
			return err
		}
		if len(c.pids) > 0 && r.RSSEnd == 0 {
			r.Extra["rss_table_mib"] = mib(w.sample().rss)
		}
		l.idle(time.Second)
		if err := p.seen("quiet", r); err != nil {
			return err
		}
		ph := r.begin(way, w)
		switch way {
		case "disconnect":
			cn.end()
		case "close":
			cn.closing = true
			l.drop(cn)
		case "unsubscribe":
			done := 0
			var next func(c2 *Conn, _ []byte)
			next = func(c2 *Conn, _ []byte) {
				if done >= c.filters {
					return
				}
				var fs []string
				for k := done; k < min(done+c.batch, c.filters); k++ {
					fs = append(fs, wildFilter(c.prefix, k))
				}
				done += len(fs)
				c2.onSuback = next
				c2.out = appendUnsubscribe(c2.out, c2.v5, uint16(done/c.batch%65000)+1, fs)
				c2.dirtied()
			}
			t := nano()
			next(cn, nil)
			if !l.until(c.deadline, func() bool { return done >= c.filters && cn.onSuback == nil || cn.state == stClosed }) {
				return fmt.Errorf("unsubscribe: %d of %d done at the time limit", done, c.filters)
			}
			r.Extra["unsubscribes_s"] = float64(int(float64(done) / (float64(nano()-t) / 1e9)))
		}
		l.idle(1500 * time.Millisecond)
		ph.end()
		if err := p.seen(way, r); err != nil {
			return err
		}
		if way == "unsubscribe" {
			cn.end()
		}
	}
	r.Sent, r.Received, r.Expected = 3, 3, 3
	l.endAll(others)
	return nil
}

// few subscribes again and again to a filter that matches few of the retained messages, and times each answer.
func (g *retainedSubs) few(c *config, l *Loop, filter string, want int64, r *Result) error {
	conns := make([]*Conn, 1)
	g.seen = [][]uint64{make([]uint64, g.max/64+1)}
	if err := l.connectAll(1, 1, c.deadline, nil, func(int) (connectOpts, handler) {
		return c.conn(fmt.Sprintf("lg-f%x", os.Getpid())), g
	}, func(_ int, cn *Conn) { conns[0] = cn }); err != nil {
		return err
	}
	var hist Hist
	for i := 0; i < 21; i++ {
		clear(g.seen[0])
		g.got, g.all = 0, 0
		t := nano()
		conns[0].out = appendSubscribe(conns[0].out, c.v5, uint16(i+1), []string{filter}, 0)
		conns[0].dirtied()
		if !l.until(min(c.deadline, nano()+10e9), func() bool { return g.got >= want }) {
			return fmt.Errorf("%d of %d retained messages for %s", g.got, want, filter)
		}
		// The first finds nothing compiled and nothing in the processor's cache: it is told apart.
		if i == 0 {
			r.Extra["few_first_us"] = us(g.last - t)
		} else {
			hist.Add(g.last - t)
		}
		l.idle(20 * time.Millisecond)
		if g.all != want {
			return fmt.Errorf("%d retained messages for %s, not %d", g.all, filter, want)
		}
	}
	r.Extra["few_p50_us"], r.Extra["few_max_us"] = us(hist.Quantile(.5)), us(hist.max)
	l.endAll(conns)
	return nil
}
