package main

import (
	"bytes"
	"fmt"
	"html"
	"net/http"
	"reflect"
	"regexp"
	"strings"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

// call is a request as the front sees it. REST calls are named "METHOD /path".
type call struct {
	method string
	this   types.ManagedObjectReference
	vms    []string // moids of all VMs that the request mentions
	body   []byte
	soap   bool
}

var (
	methodPattern = regexp.MustCompile(`<(?:[\w-]+:)?Body[^>]*>\s*<(?:[\w-]+:)?(\w+)`)
	thisPattern   = regexp.MustCompile(`<(?:[\w-]+:)?_this\s([^>]*)>([^<]*)<`)
	typePattern   = regexp.MustCompile(`(?:^|\s)type="(\w+)"`)
	vmPattern     = regexp.MustCompile(`\stype="VirtualMachine"[^>]*>([^<]+)<`)
)

func parseCall(r *http.Request, body []byte) *call {
	c := &call{method: r.Method + " " + r.URL.Path, body: body}
	found := methodPattern.FindSubmatch(body)
	if !strings.HasPrefix(r.URL.Path, "/sdk") || found == nil {
		return c
	}
	c.soap = true
	c.method = string(found[1])
	if this := thisPattern.FindSubmatch(body); this != nil {
		c.this.Value = string(this[2])
		if kind := typePattern.FindSubmatch(this[1]); kind != nil {
			c.this.Type = string(kind[1])
		}
	}
	for _, vm := range vmPattern.FindAllSubmatch(body, -1) {
		c.vms = append(c.vms, string(vm[1]))
	}
	return c
}

// about says whether the request mentions the VM with this name or moid.
func (c *call) about(vm string) bool {
	for _, moid := range c.vms {
		if moid == vm || vmName(moid) == vm {
			return true
		}
	}
	return false
}

func vmName(moid string) (name string) {
	if vm, ok := findVM(moid); ok {
		simulator.Map.WithLock(vm, func() { name = vm.Name })
	}
	return name
}

func findVM(moid string) (*simulator.VirtualMachine, bool) {
	ref := types.ManagedObjectReference{Type: "VirtualMachine", Value: moid}
	vm, ok := simulator.Map.Get(ref).(*simulator.VirtualMachine)
	return vm, ok
}

func powerState(moid string) (state types.VirtualMachinePowerState) {
	if vm, ok := findVM(moid); ok {
		simulator.Map.WithLock(vm, func() { state = vm.Runtime.PowerState })
	}
	return state
}

const envelope = xml.Header + `<soapenv:Envelope` +
	` xmlns:soapenv="http://schemas.xmlsoap.org/soap/envelope/"` +
	` xmlns:xsd="http://www.w3.org/2001/XMLSchema"` +
	` xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">` +
	`<soapenv:Body>%s</soapenv:Body></soapenv:Envelope>`

func answer(w http.ResponseWriter, method, inside string) {
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	fmt.Fprintf(w, envelope, fmt.Sprintf(`<%[1]sResponse xmlns="urn:vim25">%[2]s</%[1]sResponse>`, method, inside))
}

func answerTask(w http.ResponseWriter, method string, task types.ManagedObjectReference) {
	answer(w, method, fmt.Sprintf(`<returnval type="Task">%s</returnval>`, task.Value))
}

func answerFault(w http.ResponseWriter, message string, fault types.BaseMethodFault) {
	kind := reflect.TypeOf(fault).Elem().Name()
	var detail bytes.Buffer
	start := xml.StartElement{
		Name: xml.Name{Local: kind + "Fault"},
		Attr: []xml.Attr{
			{Name: xml.Name{Local: "xmlns"}, Value: "urn:vim25"},
			{Name: xml.Name{Local: "xsi:type"}, Value: kind},
		},
	}
	if err := xml.NewEncoder(&detail).EncodeElement(fault, start); err != nil {
		http.Error(w, err.Error(), http.StatusTeapot)
		return
	}
	w.Header().Set("Content-Type", "text/xml; charset=utf-8")
	w.WriteHeader(http.StatusInternalServerError)
	fmt.Fprintf(w, envelope, "<soapenv:Fault><faultcode>ServerFaultCode</faultcode><faultstring>"+
		html.EscapeString(message)+"</faultstring><detail>"+detail.String()+"</detail></soapenv:Fault>")
}

// newFault makes a fault by its name in the API and fills in what it is about.
func newFault(name string, c *call, requested, existing string) (types.BaseMethodFault, error) {
	kind, ok := types.TypeFunc()(name)
	if !ok {
		return nil, fmt.Errorf("unknown fault: %q", name)
	}
	value := reflect.New(kind)
	fault, ok := value.Interface().(types.BaseMethodFault)
	if !ok {
		return nil, fmt.Errorf("not a fault: %q", name)
	}
	if c == nil {
		return fault, nil
	}
	if existing == "" {
		existing = string(powerState(c.this.Value))
	}
	task := types.ManagedObjectReference{Type: "Task", Value: "task-0"}
	for field, content := range map[string]interface{}{
		"RequestedState": types.VirtualMachinePowerState(requested),
		"ExistingState":  types.VirtualMachinePowerState(existing),
		"Obj":            c.this,
		"Object":         c.this,
		"Task":           task,
		"PrivilegeId":    "System.Read",
	} {
		place, from := value.Elem().FieldByName(field), reflect.ValueOf(content)
		if place.IsValid() && place.Type() == from.Type() {
			place.Set(from)
		}
	}
	return fault, nil
}
