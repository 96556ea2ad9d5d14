package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

// world is what the inventory holds at the start.
type world struct {
	datacenters, clusters, clusterHosts, standaloneHosts int
	vms, folders, apps, pools                            int
	tools                                                bool
}

func (w world) model() *simulator.Model {
	m := simulator.VPX()
	m.Datacenter = w.datacenters
	m.Cluster = w.clusters
	m.ClusterHost = w.clusterHosts
	m.Host = w.standaloneHosts
	m.Machine = w.vms
	m.Folder = w.folders
	m.App = w.apps
	m.Pool = w.pools
	return m
}

// correct changes what the simulator shows differently from a real vCenter.
func (w world) correct() {
	if w.tools {
		for _, entity := range simulator.Map.All("VirtualMachine") {
			installTools(entity.(*simulator.VirtualMachine))
		}
	}
	correctApps()
	simulator.Map.AddHandler(toolsFollowPower{})
}

func installTools(vm *simulator.VirtualMachine) {
	simulator.Map.WithLock(vm, func() {
		current := string(types.VirtualMachineToolsVersionStatusGuestToolsCurrent)
		simulator.Map.Update(vm, append(toolsChanges(toolsRunning),
			types.PropertyChange{Name: "guest.toolsVersionStatus2", Val: current},
		))
	})
}

// correctApps: a VM in a vApp has no parent, and its folder shows the vApp in its place.
func correctApps() {
	for _, entity := range simulator.Map.All("VirtualMachine") {
		vm := entity.(*simulator.VirtualMachine)
		simulator.Map.WithLock(vm, func() { moveIntoApp(vm) })
	}
	for _, entity := range simulator.Map.All("VirtualApp") {
		app := entity.(*simulator.VirtualApp)
		simulator.Map.WithLock(app, func() { app.Vm = unique(app.Vm) })
		if folder, ok := folderOf(app.ParentFolder); ok {
			simulator.Map.AddReference(folder, &folder.ChildEntity, app.Self)
		}
	}
}

func moveIntoApp(vm *simulator.VirtualMachine) {
	if vm.ResourcePool == nil || vm.ResourcePool.Type != "VirtualApp" || vm.Parent == nil {
		return
	}
	if folder, ok := folderOf(vm.Parent); ok {
		simulator.Map.RemoveReference(folder, &folder.ChildEntity, vm.Self)
	}
	simulator.Map.Update(vm, []types.PropertyChange{
		{Name: "parent", Val: nil},
		{Name: "parentVApp", Val: *vm.ResourcePool},
	})
}

// leaveApp gives a VM its folder back: the simulator cannot destroy one without a parent.
func leaveApp(moid string) {
	vm, ok := findVM(moid)
	if !ok {
		return
	}
	simulator.Map.WithLock(vm, func() {
		if vm.ParentVApp == nil {
			return
		}
		if app, ok := simulator.Map.Get(*vm.ParentVApp).(*simulator.VirtualApp); ok {
			simulator.Map.Update(vm, []types.PropertyChange{{Name: "parent", Val: *app.ParentFolder}})
		}
	})
}

func folderOf(ref *types.ManagedObjectReference) (*mo.Folder, bool) {
	if ref == nil {
		return nil, false
	}
	folder, ok := simulator.Map.Get(*ref).(*simulator.Folder)
	if !ok {
		return nil, false
	}
	return &folder.Folder, true
}

func unique(refs []types.ManagedObjectReference) []types.ManagedObjectReference {
	seen := map[types.ManagedObjectReference]bool{}
	var kept []types.ManagedObjectReference
	for _, ref := range refs {
		if !seen[ref] {
			seen[ref] = true
			kept = append(kept, ref)
		}
	}
	return kept
}
