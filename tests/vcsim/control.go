package main

import (
	"encoding/json"
	"net/http"
)

// control is the plain HTTP side: what tests ask of the simulator itself.
// It also leads to the same vCenter past the front: what is done there is not
// counted, meets no rule and keeps its session.
func control(f *front, vcenter http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/sdk", vcenter)
	mux.Handle("/sdk/", vcenter)
	mux.Handle("/rest/", vcenter)
	mux.HandleFunc("/requests", func(w http.ResponseWriter, _ *http.Request) { send(w, f.requests()) })
	mux.HandleFunc("/requests/reset", post(f.resetRequests))
	mux.HandleFunc("/sessions", func(w http.ResponseWriter, _ *http.Request) {
		f.sessions.Lock()
		defer f.sessions.Unlock()
		send(w, &f.sessions)
	})
	mux.HandleFunc("/sessions/expire", post(f.sessions.expire))
	mux.HandleFunc("/sessions/terminate-connections", post(f.connections.closeAll))
	mux.HandleFunc("/vapps/correct", post(correctApps))
	mux.HandleFunc("/vapps/leave", func(w http.ResponseWriter, r *http.Request) {
		post(func() { leaveApp(r.URL.Query().Get("vm")) })(w, r)
	})
	mux.HandleFunc("/rules", f.controlRules)
	mux.HandleFunc("/rules/held", f.controlHeld(func(rule *rule, r *http.Request) interface{} {
		return rule.awaitCall(r.Context().Done())
	}))
	mux.HandleFunc("/rules/release", f.controlHeld(func(rule *rule, _ *http.Request) interface{} {
		f.rules.Lock()
		defer f.rules.Unlock()
		rule.release()
		return true
	}))
	return mux
}

func send(w http.ResponseWriter, value interface{}) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}

func post(do func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			w.WriteHeader(http.StatusMethodNotAllowed)
			return
		}
		do()
		send(w, struct{}{})
	}
}

func (f *front) controlRules(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if err := f.rules.replace(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
	}
	f.rules.Lock()
	defer f.rules.Unlock()
	send(w, f.rules.list)
}

// controlHeld is about the call that a rule with the action "hold" keeps; "?id=" says which.
func (f *front) controlHeld(do func(*rule, *http.Request) interface{}) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		rule := f.rules.find(r.URL.Query().Get("id"))
		if rule == nil {
			http.Error(w, "no such rule", http.StatusNotFound)
			return
		}
		send(w, do(rule, r))
	}
}

func (f *front) requests() interface{} {
	f.connections.Lock()
	accepted := f.connections.accepted
	f.connections.Unlock()
	f.counts.Lock()
	defer f.counts.Unlock()
	methods := map[string]int{}
	for method, n := range f.counts.methods {
		methods[method] = n
	}
	return map[string]interface{}{"total": f.counts.total, "connections": accepted, "methods": methods}
}

func (f *front) resetRequests() {
	f.connections.Lock()
	f.connections.accepted = 0
	f.connections.Unlock()
	f.counts.Lock()
	f.counts.total, f.counts.methods = 0, map[string]int{}
	f.counts.Unlock()
}
