package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// rule makes the simulator misbehave for the calls that it matches.
type rule struct {
	Method string `json:"method"` // SOAP method or "METHOD /path"; "*" at the end: any that begins so
	VM     string `json:"vm"`     // name or moid; empty: any
	Skip   int    `json:"skip"`   // let this many matching calls pass first
	Times  int    `json:"times"`  // then apply to this many; 0: always

	ID        string  `json:"id"` // how the control side finds a "hold"
	Action    string  `json:"action"`
	Seconds   float64 `json:"seconds"`
	Fault     string  `json:"fault"`
	Message   string  `json:"message"`
	Requested string  `json:"requested"` // for InvalidPowerState
	Existing  string  `json:"existing"`  // likewise; default: the VM's power state
	Code      int     `json:"code"`      // HTTP status

	Matched int `json:"matched"`
	Applied int `json:"applied"`

	arrived  chan struct{} // a call is held
	released chan struct{} // it may go on, as it may when the rules are replaced
}

func (r *rule) reset() {
	r.Matched, r.Applied = 0, 0
	r.arrived, r.released = make(chan struct{}, 1), make(chan struct{})
}

// hold keeps a call until release, and tells awaitCall.
func (r *rule) hold(done <-chan struct{}) {
	r.arrived <- struct{}{}
	select {
	case <-r.released:
	case <-done:
	}
}

// awaitCall says whether a call is held; it is not when the rule was replaced.
func (r *rule) awaitCall(done <-chan struct{}) bool {
	select {
	case <-r.arrived:
		return true
	case <-r.released:
	case <-done:
	}
	return false
}

func (r *rule) release() {
	select {
	case <-r.released:
	default:
		close(r.released)
	}
}

func (r *rule) wait() time.Duration { return seconds(r.Seconds) }

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func (r *rule) matches(c *call) bool {
	if prefix := strings.TrimSuffix(r.Method, "*"); prefix != r.Method {
		if !strings.HasPrefix(c.method, prefix) {
			return false
		}
	} else if r.Method != c.method {
		return false
	}
	return r.VM == "" || c.about(r.VM)
}

func (r *rule) check() error {
	if r.Method == "" {
		return fmt.Errorf("a rule needs a method")
	}
	if _, ok := actions[r.Action]; !ok {
		return fmt.Errorf("unknown action: %q", r.Action)
	}
	switch r.Action {
	case "slow_task", "stuck_task", "failed_task":
		if !isPowerVerb(r.Method) {
			return fmt.Errorf("%s is for power tasks, not %s", r.Action, r.Method)
		}
	case "hold":
		if r.Times != 1 || r.ID == "" {
			return fmt.Errorf("hold is for one call, and needs an id")
		}
	case "guest_after":
		if !isGuestVerb(r.Method) {
			return fmt.Errorf("guest_after is for guest verbs, not %s", r.Method)
		}
	case "status":
		if r.Code < 200 || r.Code > 599 {
			return fmt.Errorf("not an HTTP status: %d", r.Code)
		}
	}
	if r.Action == "fault" || r.Action == "failed_task" {
		_, err := newFault(r.Fault, nil, "", "")
		return err
	}
	return nil
}

// rules: the first that applies to a call wins; those after it do not count the call.
type rules struct {
	sync.Mutex
	list []*rule
}

func (r *rules) pick(c *call) *rule {
	r.Lock()
	defer r.Unlock()
	for _, each := range r.list {
		if !each.matches(c) {
			continue
		}
		each.Matched++
		if each.Matched > each.Skip && (each.Times == 0 || each.Applied < each.Times) {
			each.Applied++
			return each
		}
	}
	return nil
}

func (r *rules) replace(from io.Reader) error {
	var list []*rule
	decoder := json.NewDecoder(from)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&list); err != nil {
		return err
	}
	for _, each := range list {
		if err := each.check(); err != nil {
			return err
		}
		each.reset()
	}
	r.Lock()
	for _, each := range r.list {
		each.release()
	}
	r.list = list
	r.Unlock()
	return nil
}

// find is the rule with this id, or nil.
func (r *rules) find(id string) *rule {
	r.Lock()
	defer r.Unlock()
	for _, each := range r.list {
		if each.ID != "" && each.ID == id {
			return each
		}
	}
	return nil
}
