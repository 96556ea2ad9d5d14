// Vcsim is a vCenter for the tests: govmomi's simulator behind a TLS front
// that counts requests, expires sessions and misbehaves on demand.
//
// It prints one JSON line, {"port": ..., "control": ...}, when it is ready and
// ends when its standard input is closed. VCSIM_USERNAME and VCSIM_PASSWORD
// hold the only login that it accepts.
package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/vmware/govmomi/simulator"
	_ "github.com/vmware/govmomi/vapi/simulator" // registers the tagging endpoint
)

type options struct {
	listen, cert, key string
	delay             time.Duration
	taskSeconds       float64
	vapi              bool
	world             world
}

func parseOptions() options {
	var o options
	flag.StringVar(&o.listen, "listen", "127.0.0.1:0", "address of the TLS listener")
	flag.StringVar(&o.cert, "cert", "", "PEM file: certificate chain")
	flag.StringVar(&o.key, "key", "", "PEM file: private key")
	flag.IntVar(&o.world.datacenters, "dc", 1, "datacenters")
	flag.IntVar(&o.world.clusters, "cluster", 1, "clusters in each datacenter")
	flag.IntVar(&o.world.clusterHosts, "cluster-host", 3, "hosts in each cluster")
	flag.IntVar(&o.world.standaloneHosts, "standalone-host", 1, "standalone hosts in each datacenter")
	flag.IntVar(&o.world.vms, "vm", 2, "VMs in each cluster, standalone host and vApp")
	flag.IntVar(&o.world.folders, "folder", 0, "how many datacenters to put into folders")
	flag.IntVar(&o.world.apps, "app", 0, "vApps in each cluster")
	flag.IntVar(&o.world.pools, "pool", 0, "resource pools in each cluster")
	flag.BoolVar(&o.world.tools, "tools", true, "VMware Tools run in the VMs that are made at the start")
	delay := flag.Int("delay", 0, "milliseconds to wait before each SOAP call")
	flag.Float64Var(&o.taskSeconds, "task-seconds", 0, "seconds that each power task takes")
	noVapi := flag.Bool("no-vapi", false, "do not serve /rest")
	flag.Parse()
	o.delay = time.Duration(*delay) * time.Millisecond
	o.vapi = !*noVapi
	return o
}

func main() {
	log.SetOutput(os.Stderr)
	if err := run(parseOptions()); err != nil {
		fmt.Fprintln(os.Stderr, "vcsim:", err)
		os.Exit(1)
	}
}

func run(o options) error {
	login := credentials{environ("VCSIM_USERNAME", "user"), environ("VCSIM_PASSWORD", "pass")}
	pair, err := tls.LoadX509KeyPair(o.cert, o.key)
	if err != nil {
		return err
	}
	model := o.world.model()
	defer model.Remove()
	if err := model.Create(); err != nil {
		return err
	}
	o.world.correct()
	vcenter := routes(model.Service, login, o.vapi)

	front := newFront(vcenter, model.Service, login)
	front.delay = o.delay
	front.taskSeconds = o.taskSeconds
	secure, err := net.Listen("tcp", o.listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:      front,
		ConnState:    front.connections.track,
		TLSConfig:    &tls.Config{Certificates: []tls.Certificate{pair}},
		TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}, // HTTP/1.1 only: rules hijack
	}
	plain, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	failed := make(chan error, 2)
	go func() { failed <- server.ServeTLS(secure, "", "") }()
	go func() { failed <- http.Serve(plain, control(front, vcenter)) }()

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	ready := map[string]int{"port": port(secure), "control": port(plain)}
	if err := json.NewEncoder(os.Stdout).Encode(ready); err != nil {
		return err
	}
	return waitForEnd(failed, signals)
}

// waitForEnd returns when the parent closes our standard input or signals, or a server fails.
func waitForEnd(failed <-chan error, signals <-chan os.Signal) error {
	orphaned := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(orphaned)
	}()
	select {
	case err := <-failed:
		return err
	case <-orphaned:
	case <-signals:
	}
	return nil
}

func environ(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func port(l net.Listener) int { return l.Addr().(*net.TCPAddr).Port }

// routes gives the simulator's own handler, to be served by servers of ours.
func routes(service *simulator.Service, login credentials, vapi bool) http.Handler {
	service.Listen = login.url()
	service.RegisterEndpoints = vapi
	service.NewServer().Close() // registers the paths; its plain listener is not wanted
	return fetchNull(service.ServeMux)
}

// fetchNull answers Fetch for a property that is not set; the simulator panics on it.
func fetchNull(vcenter http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if bytes.Contains(body, []byte("<Fetch ")) {
			defer func() {
				if recover() != nil {
					answer(w, "Fetch", "")
				}
			}()
		}
		vcenter.ServeHTTP(w, r)
	})
}
