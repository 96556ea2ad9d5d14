package main

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

const (
	soapCookie = "vmware_soap_session"
	restCookie = "vmware-api-session-id"

	restLogin  = "POST /rest/com/vmware/cis/session"
	restLogout = "DELETE /rest/com/vmware/cis/session"
)

type credentials struct{ username, password string }

func (c credentials) url() *url.URL {
	return &url.URL{Host: "127.0.0.1:0", User: url.UserPassword(c.username, c.password)}
}

func (c credentials) match(r *http.Request) bool {
	username, password, _ := r.BasicAuth()
	return username == c.username && password == c.password
}

// isSessionCall says whether a call can open or close a session.
func isSessionCall(c *call) bool {
	switch c.method {
	case "Login", "LoginByToken", "CloneSession", "Logout", restLogin, restLogout:
		return true
	}
	return false
}

// sessions knows the sessions handed out by the front, and forgets them when they expire.
type sessions struct {
	sync.Mutex
	alive map[string]bool

	Logins      int `json:"logins"`
	Logouts     int `json:"logouts"`
	RestLogins  int `json:"rest_logins"`
	RestLogouts int `json:"rest_logouts"`
}

func (s *sessions) learn(method string, r *http.Request, answer *held) {
	s.Lock()
	defer s.Unlock()
	switch method {
	case "Logout":
		s.Logouts++
		delete(s.alive, cookieValue(r, soapCookie))
		return
	case restLogout:
		s.RestLogouts++
		delete(s.alive, restSession(r))
		return
	case restLogin:
		s.RestLogins++
	default:
		s.Logins++
	}
	for _, cookie := range (&http.Response{Header: answer.header}).Cookies() {
		if cookie.Name == soapCookie || cookie.Name == restCookie {
			s.alive[cookie.Value] = true
		}
	}
}

func (s *sessions) expire() {
	s.Lock()
	s.alive = map[string]bool{}
	s.Unlock()
}

// has says whether the request carries a living SOAP session.
func (s *sessions) has(r *http.Request) bool {
	s.Lock()
	defer s.Unlock()
	return s.alive[cookieValue(r, soapCookie)]
}

// strip takes dead sessions out of a request: the simulator then sees a stranger.
func (s *sessions) strip(r *http.Request) {
	s.Lock()
	defer s.Unlock()
	if header := r.Header.Get(restCookie); header != "" && !s.alive[header] {
		r.Header.Del(restCookie)
	}
	var kept []string
	for _, cookie := range r.Cookies() {
		session := cookie.Name == soapCookie || cookie.Name == restCookie
		if !session || s.alive[cookie.Value] {
			kept = append(kept, cookie.Name+"="+cookie.Value)
		}
	}
	r.Header.Del("Cookie")
	if len(kept) > 0 {
		r.Header.Set("Cookie", strings.Join(kept, "; "))
	}
}

func cookieValue(r *http.Request, name string) string {
	cookie, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return strings.Trim(cookie.Value, `"`)
}

func restSession(r *http.Request) string {
	if header := r.Header.Get(restCookie); header != "" {
		return header
	}
	return cookieValue(r, restCookie)
}

// connections are those open at the TLS listener; accepted counts all there ever were.
type connections struct {
	sync.Mutex
	accepted int
	open     map[net.Conn]bool
}

func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.Lock()
	defer c.Unlock()
	switch state {
	case http.StateNew:
		c.accepted++
		if c.open == nil {
			c.open = map[net.Conn]bool{}
		}
		c.open[conn] = true
	case http.StateClosed, http.StateHijacked:
		delete(c.open, conn)
	}
}

func (c *connections) closeAll() {
	c.Lock()
	defer c.Unlock()
	for conn := range c.open {
		if secure, ok := conn.(*tls.Conn); ok {
			conn = secure.NetConn() // no farewell: as when a firewall forgets it
		}
		_ = conn.Close()
	}
}

// counts is how often each method was called.
type counts struct {
	sync.Mutex
	total   int
	methods map[string]int
}

func (c *counts) add(method string) {
	c.Lock()
	c.total++
	c.methods[method]++
	c.Unlock()
}
