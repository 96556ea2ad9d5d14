package main

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// action is what a rule does to a call. It owns the answer.
type action func(f *front, w http.ResponseWriter, r *http.Request, c *call, rule *rule)

var actions map[string]action

func init() { // not in the declaration: rules are checked against this map
	actions = map[string]action{
		"delay":       delay,
		"hold":        hold,
		"ignore":      func(_ *front, w http.ResponseWriter, _ *http.Request, c *call, _ *rule) { answer(w, c.method, "") },
		"guest_after": known(guestAfter),
		"slow_task":   known(slowTask),
		"stuck_task":  known(stuckTask),
		"failed_task": known(failedTask),
		"fault":       fault,
		"drop_before": func(_ *front, w http.ResponseWriter, _ *http.Request, _ *call, _ *rule) { drop(w) },
		"drop_after":  dropAfter,
		"silent":      func(_ *front, _ http.ResponseWriter, r *http.Request, _ *call, _ *rule) { <-r.Context().Done() },
		"cut":         cut,
		"drip":        drip,
		"html":        page,
		"status":      page,
		"empty":       func(_ *front, w http.ResponseWriter, _ *http.Request, c *call, _ *rule) { answer(w, c.method, "") },
	}
}

func delay(f *front, w http.ResponseWriter, r *http.Request, c *call, rule *rule) {
	time.Sleep(rule.wait())
	f.serve(w, r, c)
}

// hold waits for the tests to let the call go on.
func hold(f *front, w http.ResponseWriter, r *http.Request, c *call, rule *rule) {
	rule.hold(r.Context().Done())
	f.serve(w, r, c)
}

func fault(_ *front, w http.ResponseWriter, _ *http.Request, c *call, rule *rule) {
	value, err := newFault(rule.Fault, c, rule.Requested, rule.Existing)
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	answerFault(w, rule.Message, value)
}

// known leaves calls without a session, or about nothing, to the simulator.
func known(do action) action {
	return func(f *front, w http.ResponseWriter, r *http.Request, c *call, rule *rule) {
		if f.knows(r, c) {
			do(f, w, r, c, rule)
		} else {
			f.serve(w, r, c)
		}
	}
}

func guestAfter(f *front, w http.ResponseWriter, _ *http.Request, c *call, rule *rule) {
	f.serveGuest(w, c, rule.wait())
}

func slowTask(f *front, w http.ResponseWriter, _ *http.Request, c *call, rule *rule) {
	f.slowTask(w, c, rule.Seconds)
}

func stuckTask(_ *front, w http.ResponseWriter, _ *http.Request, c *call, _ *rule) {
	answerTask(w, c.method, startTask(c).Self)
}

func failedTask(_ *front, w http.ResponseWriter, _ *http.Request, c *call, rule *rule) {
	value, err := newFault(rule.Fault, c, rule.Requested, rule.Existing)
	if err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	task := startTask(c)
	finish := func() { endTask(task, outcome{fault: value, message: rule.Message}) }
	if rule.Seconds == 0 {
		finish()
	} else {
		time.AfterFunc(rule.wait(), finish)
	}
	answerTask(w, c.method, task.Self)
}

func dropAfter(f *front, w http.ResponseWriter, r *http.Request, c *call, _ *rule) {
	f.serve(newHeld(), r, c)
	drop(w)
}

func drop(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

// cut sends the whole header and half of the body.
func cut(f *front, w http.ResponseWriter, r *http.Request, c *call, _ *rule) {
	kept := newHeld()
	f.serve(kept, r, c)
	kept.header.Set("Content-Length", strconv.Itoa(kept.body.Len()))
	kept.sendHeaderTo(w)
	_, _ = w.Write(kept.body.Bytes()[:kept.body.Len()/2])
	w.(http.Flusher).Flush()
	drop(w)
}

// drip sends the body a byte at a time, until the client has enough of it.
func drip(f *front, w http.ResponseWriter, r *http.Request, c *call, rule *rule) {
	kept := newHeld()
	f.serve(kept, r, c)
	kept.header.Set("Content-Length", strconv.Itoa(kept.body.Len()))
	kept.sendHeaderTo(w)
	pause := rule.wait()
	if pause == 0 {
		pause = 200 * time.Millisecond
	}
	for _, each := range kept.body.Bytes() {
		select {
		case <-r.Context().Done():
			return
		case <-time.After(pause):
		}
		_, _ = w.Write([]byte{each})
		w.(http.Flusher).Flush()
	}
}

func page(_ *front, w http.ResponseWriter, _ *http.Request, _ *call, rule *rule) {
	code := rule.Code
	if code == 0 {
		code = http.StatusOK
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	fmt.Fprintf(w, "<!DOCTYPE html>\n<html><head><title>%d %s</title></head><body><p>%s<br></body></html>\n",
		code, http.StatusText(code), rule.Message)
}
