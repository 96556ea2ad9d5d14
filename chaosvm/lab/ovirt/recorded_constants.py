"""Constant parts of VMs, hosts, clusters and so on, as recorded from a real engine.

Clients rarely use them, but they are most of what an engine sends.
"""

from __future__ import annotations

__all__ = [
    "ALL_CONTENT",
    "API_LINKS",
    "API_SEARCHES",
    "CLUSTER",
    "DATACENTER",
    "HOST",
    "TEMPLATE",
    "VM",
]

_VM_COMMON = {
    "migration": """
        <migration><auto_converge>inherit</auto_converge><compressed>inherit</compressed>
        <encrypted>inherit</encrypted>
        <parallel_migrations_policy>inherit</parallel_migrations_policy></migration>
        <migration_downtime>-1</migration_downtime>
        <multi_queues_enabled>true</multi_queues_enabled>""",
    "placement": """
        <placement_policy><affinity>migratable</affinity></placement_policy>""",
    "icons": """
        <small_icon href="/ovirt-engine/api/icons/764fc4e4-5c6e-4e7b-958b-586ebec906b6"
        id="764fc4e4-5c6e-4e7b-958b-586ebec906b6"/>
        <sso><methods><method id="guest_agent"/></methods></sso>
        <start_paused>false</start_paused>""",
    "large_icon": """
        <io><threads>1</threads></io>
        <large_icon href="/ovirt-engine/api/icons/095f9c1d-f0b8-47d9-812a-4ca7e1b58a84"
        id="095f9c1d-f0b8-47d9-812a-4ca7e1b58a84"/>""",
}
# By what they come before.
VM = {
    "cpu": """
        <auto_pinning_policy>disabled</auto_pinning_policy>
        <bios><boot_menu><enabled>false</enabled></boot_menu><type>q35_ovmf</type></bios>""",
    "creation_time": """
        <cpu_pinning_policy>none</cpu_pinning_policy><cpu_shares>0</cpu_shares>""",
    "display": "<delete_protected>false</delete_protected>",
    "memory": _VM_COMMON["large_icon"],
    "origin": _VM_COMMON["migration"],
    "placement_policy": _VM_COMMON["placement"],
    "stateless": _VM_COMMON["icons"],
    "cluster": """
        <storage_error_resume_behaviour>auto_resume</storage_error_resume_behaviour>
        <time_zone><name>Etc/GMT</name></time_zone><type>server</type>
        <usb><enabled>false</enabled></usb>
        <virtio_scsi_multi_queues_enabled>false</virtio_scsi_multi_queues_enabled>""",
    "guest_time_zone": """
        <guest_time_zone><name>UTC</name><utc_offset>+00:00</utc_offset></guest_time_zone>""",
}

TEMPLATE = f"""
    <auto_pinning_policy>disabled</auto_pinning_policy>
    <bios><boot_menu><enabled>false</enabled></boot_menu></bios>
    <cpu><architecture>undefined</architecture>
    <topology><cores>1</cores><sockets>1</sockets><threads>1</threads></topology></cpu>
    <cpu_pinning_policy>none</cpu_pinning_policy><cpu_shares>0</cpu_shares>
    <creation_time>2008-03-31T21:00:00.000Z</creation_time>
    <delete_protected>false</delete_protected>
    <display><allow_override>false</allow_override>
    <copy_paste_enabled>true</copy_paste_enabled>
    <disconnect_action>LOCK_SCREEN</disconnect_action>
    <disconnect_action_delay>0</disconnect_action_delay>
    <file_transfer_enabled>true</file_transfer_enabled><monitors>1</monitors>
    <smartcard_enabled>false</smartcard_enabled><type>vnc</type>
    <video_type>vga</video_type></display>
    <high_availability><enabled>false</enabled><priority>0</priority></high_availability>
    {_VM_COMMON["large_icon"]}
    <memory>1073741824</memory>
    <memory_policy><ballooning>true</ballooning><guaranteed>1073741824</guaranteed>
    <max>4294967296</max></memory_policy>
    {_VM_COMMON["migration"]}
    <origin>ovirt</origin>
    <os><boot><devices><device>hd</device></devices></boot><type>other</type></os>
    {_VM_COMMON["placement"]}
    {_VM_COMMON["icons"]}
    <stateless>false</stateless>
    <storage_error_resume_behaviour>auto_resume</storage_error_resume_behaviour>
    <type>server</type><usb><enabled>false</enabled></usb>
    <virtio_scsi_multi_queues_enabled>false</virtio_scsi_multi_queues_enabled>
    <status>ok</status>
    <version><version_name></version_name><version_number>0</version_number>
    <base_template href="/ovirt-engine/api/templates/00000000-0000-0000-0000-000000000000"
    id="00000000-0000-0000-0000-000000000000"/></version>
"""

HOST = {
    "ovn_configured": """
        <device_passthrough><enabled>false</enabled></device_passthrough>
        <external_status>ok</external_status>
        <hardware_information><family>Fake</family><manufacturer>Fake</manufacturer>
        <product_name>Fake</product_name><serial_number>F1</serial_number>
        <supported_rng_sources><supported_rng_source>random</supported_rng_source>
        <supported_rng_source>hwrng</supported_rng_source>
        <supported_rng_source>urandom</supported_rng_source></supported_rng_sources>
        <uuid>c62aacd8-c870-595b-94f8-8b9199f1d362</uuid><version>1</version>
        </hardware_information>
        <iscsi><initiator>iqn.1994-05.com.redhat:1</initiator></iscsi>
        <kdump_status>disabled</kdump_status><ksm><enabled>false</enabled></ksm>
        <libvirt_version><build>0</build><full_version>libvirt-9.5.0-1.el9</full_version>
        <major>9</major><minor>5</minor><revision>0</revision></libvirt_version>""",
    "protocol": """
        <numa_supported>false</numa_supported>
        <os><custom_kernel_cmdline></custom_kernel_cmdline>
        <description>Fake Linux 9</description>
        <reported_kernel_cmdline></reported_kernel_cmdline><type>RHEL</type>
        <version><full_version>9.3 - 1</full_version><major>9</major><minor>3</minor></version>
        </os><ovn_configured>false</ovn_configured><port>54321</port>
        <power_management><automatic_pm_enabled>true</automatic_pm_enabled>
        <enabled>false</enabled><kdump_detection>true</kdump_detection><pm_proxies/>
        </power_management><protocol>stomp</protocol>
        <reinstallation_required>false</reinstallation_required>
        <se_linux><mode>enforcing</mode></se_linux>""",
    "cluster": """
        <transparent_hugepages><enabled>true</enabled></transparent_hugepages>
        <type>rhel</type><update_available>false</update_available>
        <version><build>5</build><full_version>vdsm-4.50.5-1.el9</full_version>
        <major>4</major><minor>50</minor><revision>0</revision></version>
        <vgpu_placement>consolidated</vgpu_placement>""",
}

CLUSTER = {
    "version": """
        <ballooning_enabled>true</ballooning_enabled><bios_type>q35_ovmf</bios_type>
        <cpu><architecture>x86_64</architecture><type>Intel Nehalem Family</type></cpu>
        <custom_scheduling_policy_properties>
        <property><name>HighUtilization</name><value>80</value></property>
        <property><name>CpuOverCommitDurationMinutes</name><value>2</value></property>
        </custom_scheduling_policy_properties>
        <error_handling><on_error>migrate</on_error></error_handling>
        <fencing_policy><enabled>true</enabled>
        <skip_if_connectivity_broken><enabled>false</enabled><threshold>50</threshold>
        </skip_if_connectivity_broken>
        <skip_if_gluster_bricks_up>false</skip_if_gluster_bricks_up>
        <skip_if_gluster_quorum_not_met>false</skip_if_gluster_quorum_not_met>
        <skip_if_sd_active><enabled>false</enabled></skip_if_sd_active></fencing_policy>
        <fips_mode>disabled</fips_mode><firewall_type>firewalld</firewall_type>
        <gluster_service>false</gluster_service><ha_reservation>false</ha_reservation>
        <ksm><enabled>true</enabled><merge_across_nodes>true</merge_across_nodes></ksm>
        <log_max_memory_used_threshold>95</log_max_memory_used_threshold>
        <log_max_memory_used_threshold_type>percentage</log_max_memory_used_threshold_type>
        <memory_policy><over_commit><percent>100</percent></over_commit>
        <transparent_hugepages><enabled>true</enabled></transparent_hugepages></memory_policy>
        <migration><auto_converge>inherit</auto_converge>
        <bandwidth><assignment_method>auto</assignment_method></bandwidth>
        <compressed>inherit</compressed><encrypted>inherit</encrypted>
        <parallel_migrations_policy>disabled</parallel_migrations_policy>
        <policy id="80554327-0569-496b-bdeb-fcbbf52b827b"/></migration>
        <required_rng_sources><required_rng_source>urandom</required_rng_source>
        </required_rng_sources>
        <switch_type>legacy</switch_type><threads_as_cores>false</threads_as_cores>
        <trusted_service>false</trusted_service><tunnel_migration>false</tunnel_migration>
        <upgrade_in_progress>false</upgrade_in_progress>
        <upgrade_percent_complete>0</upgrade_percent_complete>""",
    "data_center": """
        <virt_service>true</virt_service><vnc_encryption>false</vnc_encryption>""",
    "end": """
        <mac_pool href="/ovirt-engine/api/macpools/58ca604b-017d-0374-0220-00000000014e"
        id="58ca604b-017d-0374-0220-00000000014e"/>
        <scheduling_policy
        href="/ovirt-engine/api/schedulingpolicies/b4ed2332-a7ac-4d5f-9596-99a439cb2812"
        id="b4ed2332-a7ac-4d5f-9596-99a439cb2812"/>""",
}

DATACENTER = """
    <local>false</local><quota_mode>disabled</quota_mode><status>up</status>
    <storage_format>v5</storage_format>
    <supported_versions><version><major>4</major><minor>8</minor></version></supported_versions>
    <version><major>4</major><minor>8</minor></version>
    <mac_pool href="/ovirt-engine/api/macpools/58ca604b-017d-0374-0220-00000000014e"
    id="58ca604b-017d-0374-0220-00000000014e"/>
"""

API_LINKS = (
    "clusters datacenters events hosts networks roles storagedomains tags bookmarks icons "
    "templates instancetypes users groups domains vmpools vms disks jobs storageconnections "
    "vnicprofiles diskprofiles cpuprofiles schedulingpolicyunits schedulingpolicies permissions "
    "macpools networkfilters operatingsystems externalhostproviders openstackimageproviders "
    "openstackvolumeproviders openstacknetworkproviders katelloerrata affinitylabels "
    "clusterlevels imagetransfers externalvmimports externaltemplateimports"
)
API_SEARCHES = (
    "clusters datacenters events hosts networks storagedomains templates instancetypes users "
    "groups vmpools vms disks"
)

# What the engine shows of a VM in addition, if all content is requested, or it was changed.
ALL_CONTENT = (
    "<vm><console><enabled>false</enabled></console>"
    "<rng_device><source>urandom</source></rng_device>"
    "<soundcard_enabled>true</soundcard_enabled><tpm_enabled>false</tpm_enabled>"
    "<virtio_scsi><enabled>true</enabled></virtio_scsi></vm>"
)
# What it shows in addition of a VM that was just added; the lab leaves out the OVF itself.
ADDED = (
    "<vm><initialization><configuration><data></data><type>ovf</type></configuration>"
    "</initialization></vm>"
)
