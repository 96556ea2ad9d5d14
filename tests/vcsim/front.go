package main

import (
	"bytes"
	"io"
	"net/http"
	"time"

	"github.com/vmware/govmomi/simulator"
)

// front stands before the simulator and is what the tested code talks to.
type front struct {
	vcenter     http.Handler
	service     *simulator.Service
	login       credentials
	delay       time.Duration
	taskSeconds float64

	counts      counts
	connections connections
	sessions    sessions
	rules       rules
}

func newFront(vcenter http.Handler, service *simulator.Service, login credentials) *front {
	f := &front{vcenter: vcenter, service: service, login: login}
	f.sessions.alive = map[string]bool{}
	f.counts.methods = map[string]int{}
	return f
}

func (f *front) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away in the middle of its request
	}
	c := parseCall(r, body)
	f.counts.add(c.method)
	f.sessions.strip(r)
	if c.soap && f.delay > 0 {
		time.Sleep(f.delay)
	}
	if rule := f.rules.pick(c); rule != nil {
		actions[rule.Action](f, w, r, c, rule)
		return
	}
	f.serve(w, r, c)
}

// serve handles the call as a vCenter does, without looking at the rules.
func (f *front) serve(w http.ResponseWriter, r *http.Request, c *call) {
	r.Body = io.NopCloser(bytes.NewReader(c.body))
	switch {
	case isSessionCall(c):
		f.serveSession(w, r, c)
	case !f.knows(r, c):
		f.vcenter.ServeHTTP(w, r)
	case isGuestVerb(c.method):
		f.serveGuest(w, c, usualDelay(c.method))
	case isPowerVerb(c.method) && f.taskSeconds > 0:
		f.slowTask(w, c, f.taskSeconds)
	case isPowerVerb(c.method) && wronglyAllowed(c):
		f.slowTask(w, c, 0)
	default:
		f.vcenter.ServeHTTP(w, r)
	}
}

// knows says whether the caller is logged in and the object is there; if not, the simulator itself refuses best.
func (f *front) knows(r *http.Request, c *call) bool {
	return f.sessions.has(r) && simulator.Map.Get(c.this) != nil
}

// serveSession also learns which sessions exist and counts logins and logouts.
func (f *front) serveSession(w http.ResponseWriter, r *http.Request, c *call) {
	if c.method == restLogin && !f.login.match(r) { // the simulator takes any password here
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	answer := newHeld()
	f.vcenter.ServeHTTP(answer, r)
	if answer.code == http.StatusOK {
		f.sessions.learn(c.method, r, answer)
	}
	answer.sendTo(w)
}

// held is an answer that is kept until it is known what to do with it.
type held struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func newHeld() *held { return &held{header: http.Header{}, code: http.StatusOK} }

func (h *held) Header() http.Header { return h.header }

func (h *held) WriteHeader(code int) { h.code = code }

func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

func (h *held) sendHeaderTo(w http.ResponseWriter) {
	for name, values := range h.header {
		w.Header()[name] = values
	}
	w.WriteHeader(h.code)
}

func (h *held) sendTo(w http.ResponseWriter) {
	h.sendHeaderTo(w)
	_, _ = w.Write(h.body.Bytes())
}
