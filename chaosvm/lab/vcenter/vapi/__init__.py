"""The vSphere Automation API: tags, VMs, hosts and the like below /rest and /api.

Operations are declared once, and answered as HTTP requests and as the JSON-RPC of VMware's
SDKs. It follows VMware's API reference and the descriptions in its SDK (vcf-sdk).
"""

from __future__ import annotations

from chaosvm.lab.vcenter.interfaces import Service
from chaosvm.lab.vcenter.session_manager import Sessions
from chaosvm.lab.vcenter.vapi.cluster_modules import ClusterModules
from chaosvm.lab.vcenter.vapi.content_library import ContentLibraries
from chaosvm.lab.vcenter.vapi.fixed_answers import fixed_answers
from chaosvm.lab.vcenter.vapi.inventory_lists import inventory_operations
from chaosvm.lab.vcenter.vapi.login import Login
from chaosvm.lab.vcenter.vapi.rest import Rest, not_modelled
from chaosvm.lab.vcenter.vapi.tag_catalog import TagCatalog
from chaosvm.lab.vcenter.vapi.tagging import Tagging
from chaosvm.lab.vcenter.vapi.virtual_machines import VirtualMachines

__all__ = ["automation_api", "not_modelled"]


def automation_api(service: Service, sessions: Sessions) -> Rest:
    inventory = service.inventory
    operations = [
        *Tagging(TagCatalog(inventory)).operations(),
        *inventory_operations(inventory),
        *ContentLibraries(inventory).operations(),
        *ClusterModules(inventory).operations(),
        *VirtualMachines(service).operations(),
        *fixed_answers(),
    ]
    return Rest(Login(inventory.world, sessions), operations)
