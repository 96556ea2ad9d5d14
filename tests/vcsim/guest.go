package main

import (
	"context"
	"net/http"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	toolsRunning    = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
	toolsNotRunning = string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
)

func isGuestVerb(method string) bool {
	switch method {
	case "ShutdownGuest", "RebootGuest", "StandbyGuest":
		return true
	}
	return false
}

// usualDelay: guests stop at once unless a rule says otherwise, but a reboot that takes no time cannot be seen.
func usualDelay(method string) time.Duration {
	if method == "RebootGuest" {
		return 300 * time.Millisecond
	}
	return 0
}

// serveGuest refuses as a real vCenter does; the simulator never says ToolsUnavailable,
// shuts down a suspended VM and knows only ShutdownGuest.
func (f *front) serveGuest(w http.ResponseWriter, c *call, after time.Duration) {
	vm, ok := findVM(c.this.Value)
	if !ok {
		answerFault(w, "", &types.ManagedObjectNotFound{Obj: c.this})
		return
	}
	var state types.VirtualMachinePowerState
	var tools string
	simulator.Map.WithLock(vm, func() { state, tools = vm.Runtime.PowerState, vm.Guest.ToolsRunningStatus })
	switch {
	case state != types.VirtualMachinePowerStatePoweredOn:
		answerFault(w, "The attempted operation cannot be performed in the current state.", &types.InvalidPowerState{
			RequestedState: types.VirtualMachinePowerStatePoweredOn,
			ExistingState:  state,
		})
		return
	case tools != toolsRunning:
		answerFault(w, "Cannot complete operation because VMware Tools is not running in this virtual machine.",
			&types.ToolsUnavailable{})
		return
	}
	f.actInGuest(c, vm, after)
	answer(w, c.method, "")
}

func (f *front) actInGuest(c *call, vm *simulator.VirtualMachine, after time.Duration) {
	if c.method == "RebootGuest" {
		setTools(vm, toolsNotRunning)
		time.AfterFunc(after, func() { setTools(vm, toolsRunning) })
		return
	}
	act := func() { f.stopGuest(c) }
	if after == 0 {
		act()
	} else {
		time.AfterFunc(after, act)
	}
}

// stopGuest may find the VM off or gone by now; then there is nothing left to do.
func (f *front) stopGuest(c *call) {
	if powerState(c.this.Value) != types.VirtualMachinePowerStatePoweredOn {
		return
	}
	if c.method == "StandbyGuest" {
		f.perform(&call{method: "SuspendVM_Task", this: c.this}, &types.SuspendVM_Task{This: c.this})
		return
	}
	_, _ = methods.ShutdownGuest(context.Background(), f.service, &types.ShutdownGuest{This: c.this})
}

// setTools says whether Tools run; they cannot in a VM that is not on.
func setTools(vm *simulator.VirtualMachine, status string) {
	simulator.Map.WithLock(vm, func() {
		if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
			simulator.Map.Update(vm, toolsChanges(status))
		}
	})
}

func toolsChanges(status string) []types.PropertyChange {
	installed := types.VirtualMachineToolsStatusToolsOk
	if status != toolsRunning {
		installed = types.VirtualMachineToolsStatusToolsNotRunning
	}
	return []types.PropertyChange{
		{Name: "guest.toolsRunningStatus", Val: status},
		{Name: "guest.toolsStatus", Val: installed},
		{Name: "summary.guest.toolsRunningStatus", Val: status},
		{Name: "summary.guest.toolsStatus", Val: installed},
	}
}

// toolsFollowPower stops Tools when a VM stops and starts them when it starts, where they are installed.
type toolsFollowPower struct{}

func (toolsFollowPower) Reference() types.ManagedObjectReference {
	return types.ManagedObjectReference{Type: "toolsFollowPower", Value: "toolsFollowPower"}
}

func (toolsFollowPower) PutObject(mo.Reference) {}

func (toolsFollowPower) RemoveObject(types.ManagedObjectReference) {}

// UpdateObject runs under the lock of the object that changed.
func (toolsFollowPower) UpdateObject(object mo.Reference, changes []types.PropertyChange) {
	vm, ok := object.(*mo.VirtualMachine)
	if !ok || vm.Guest == nil || vm.Guest.ToolsStatus == types.VirtualMachineToolsStatusToolsNotInstalled {
		return
	}
	for _, change := range changes {
		if change.Name != "runtime.powerState" {
			continue
		}
		status := toolsNotRunning
		if change.Val == types.VirtualMachinePowerStatePoweredOn {
			status = toolsRunning
		}
		simulator.Map.Update(vm, toolsChanges(status))
	}
}
