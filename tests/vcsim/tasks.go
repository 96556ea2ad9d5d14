package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// powerVerbs names the task of each verb as the simulator itself does.
var powerVerbs = map[string]string{
	"PowerOnVM_Task":      "powerOn",
	"PowerOffVM_Task":     "powerOff",
	"SuspendVM_Task":      "suspend",
	"ResetVM_Task":        "reset",
	"PowerOnMultiVM_Task": "powerOnMultiVM",
}

var wantedState = map[string]types.VirtualMachinePowerState{
	"PowerOffVM_Task": types.VirtualMachinePowerStatePoweredOff,
	"SuspendVM_Task":  types.VirtualMachinePowerStateSuspended,
	"ResetVM_Task":    types.VirtualMachinePowerStatePoweredOn,
}

func isPowerVerb(method string) bool { return powerVerbs[method] != "" }

// wronglyAllowed: the simulator lets a VM that is not on be suspended, and a suspended one be powered off or reset.
func wronglyAllowed(c *call) bool {
	switch c.method {
	case "PowerOffVM_Task", "SuspendVM_Task", "ResetVM_Task":
		state := powerState(c.this.Value)
		return state != "" && state != types.VirtualMachinePowerStatePoweredOn
	}
	return false
}

// outcome is how a task ends.
type outcome struct {
	result  types.AnyType
	fault   types.BaseMethodFault
	message string
}

// slowTask answers with a task that runs for a while and then does the real thing.
func (f *front) slowTask(w http.ResponseWriter, c *call, duration float64) {
	method, err := simulator.UnmarshalBody(types.TypeFunc(), c.body)
	if err != nil {
		answerFault(w, err.Error(), &types.InvalidRequest{})
		return
	}
	task := startTask(c)
	finish := func() { endTask(task, f.perform(c, method.Body)) }
	if duration == 0 {
		finish()
	} else {
		time.AfterFunc(seconds(duration), finish)
	}
	answerTask(w, c.method, task.Self)
}

// startTask makes a task that is running.
func startTask(c *call) *simulator.Task {
	task := simulator.CreateTask(c.this, powerVerbs[c.method], nil)
	name := vmName(c.this.Value)
	simulator.Map.WithLock(task, func() {
		if name != "" {
			task.Info.EntityName = name
		}
		simulator.Map.Update(task, []types.PropertyChange{
			{Name: "info.startTime", Val: time.Now()},
			{Name: "info.state", Val: types.TaskInfoStateRunning},
		})
	})
	if vm, ok := findVM(c.this.Value); ok {
		simulator.Map.WithLock(vm, func() {
			recent := append(append([]types.ManagedObjectReference{}, vm.RecentTask...), task.Self)
			simulator.Map.Update(vm, []types.PropertyChange{{Name: "recentTask", Val: recent}})
		})
	}
	return task
}

func endTask(task *simulator.Task, end outcome) {
	state := types.TaskInfoStateSuccess
	var failure interface{}
	if end.fault != nil {
		state = types.TaskInfoStateError
		if end.message == "" {
			end.message = fmt.Sprintf("%T", end.fault)
		}
		failure = types.LocalizedMethodFault{Fault: end.fault, LocalizedMessage: end.message}
	}
	simulator.Map.WithLock(task, func() {
		simulator.Map.Update(task, []types.PropertyChange{
			{Name: "info.completeTime", Val: time.Now()},
			{Name: "info.state", Val: state},
			{Name: "info.result", Val: end.result},
			{Name: "info.error", Val: failure},
		})
	})
}

// perform does the real thing at once, in process, and tells how its own task ended.
func (f *front) perform(c *call, request interface{}) outcome {
	if wronglyAllowed(c) {
		return outcome{
			fault: &types.InvalidPowerState{
				RequestedState: wantedState[c.method],
				ExistingState:  powerState(c.this.Value),
			},
			message: "The attempted operation cannot be performed in the current state.",
		}
	}
	ref, err := f.invoke(request)
	if err != nil {
		return outcome{fault: vimFault(err), message: err.Error()}
	}
	inner := simulator.Map.Get(ref).(*simulator.Task)
	defer removeTask(ref)
	if inner.Info.Error != nil {
		return outcome{fault: inner.Info.Error.Fault, message: inner.Info.Error.LocalizedMessage}
	}
	return outcome{result: inner.Info.Result}
}

func (f *front) invoke(request interface{}) (types.ManagedObjectReference, error) {
	ctx := context.Background()
	var none types.ManagedObjectReference
	switch req := request.(type) {
	case *types.PowerOnVM_Task:
		res, err := methods.PowerOnVM_Task(ctx, f.service, req)
		if err != nil {
			return none, err
		}
		return res.Returnval, nil
	case *types.PowerOffVM_Task:
		res, err := methods.PowerOffVM_Task(ctx, f.service, req)
		if err != nil {
			return none, err
		}
		return res.Returnval, nil
	case *types.SuspendVM_Task:
		res, err := methods.SuspendVM_Task(ctx, f.service, req)
		if err != nil {
			return none, err
		}
		return res.Returnval, nil
	case *types.ResetVM_Task:
		res, err := methods.ResetVM_Task(ctx, f.service, req)
		if err != nil {
			return none, err
		}
		return res.Returnval, nil
	case *types.PowerOnMultiVM_Task:
		res, err := methods.PowerOnMultiVM_Task(ctx, f.service, req)
		if err != nil {
			return none, err
		}
		return res.Returnval, nil
	}
	return none, fmt.Errorf("no power verb: %T", request)
}

func vimFault(err error) types.BaseMethodFault {
	if soap.IsSoapFault(err) {
		if fault, ok := soap.ToSoapFault(err).VimFault().(types.BaseMethodFault); ok {
			return fault
		}
	}
	return &types.SystemError{Reason: err.Error()}
}

// removeTask hides the simulator's own task: callers know only the one of startTask.
func removeTask(ref types.ManagedObjectReference) {
	simulator.Map.Remove(ref)
	manager := types.ManagedObjectReference{Type: "TaskManager", Value: "TaskManager"}
	if tasks, ok := simulator.Map.Get(manager).(*simulator.TaskManager); ok {
		tasks.Lock()
		simulator.RemoveReference(&tasks.RecentTask, ref)
		tasks.Unlock()
	}
}
