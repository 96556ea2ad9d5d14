"""The programs that a guest has, besides the files that clients make."""

from __future__ import annotations

from chaosvm.lab.simulation import Machine
from chaosvm.lab.vcenter.states import guest_family

__all__ = ["has_program"]

_DIRECTORIES = frozenset(("/bin", "/sbin", "/usr/bin", "/usr/sbin"))
_PROGRAMS = """
    awk base64 bash cat chmod chown chronyc cp crontab curl cut date dd df dmesg docker du echo
    ethtool fallocate false find firewall-cmd free fuser getent grep halt head hostname hostnamectl
    id ifconfig ip iptables journalctl kill killall last ln logger ls mkdir mktemp modprobe mount mv
    netstat nft nice nmcli nohup passwd perl pgrep ping pkill podman poweroff printenv ps pwd
    python3 reboot renice rm rmdir route sed service sh shutdown sleep sort ss stat stress
    stress-ng su sudo swapoff swapon sync sysctl systemctl tail tar tc tee test timedatectl timeout
    top touch true umount uname uptime useradd usermod vmstat vmtoolsd vmware-toolbox-cmd wc wget
    which whoami xargs
"""
_WINDOWS_DIRECTORIES = frozenset(
    ("c:/windows", "c:/windows/system32", "c:/windows/system32/windowspowershell/v1.0")
)
_WINDOWS_PROGRAMS = """
    bcdedit certutil chkdsk cmd cscript diskpart dism findstr fsutil gpupdate hostname icacls
    ipconfig logoff netsh net netstat notepad nslookup ping powercfg powershell qwinsta reg regedit
    robocopy route sc schtasks sfc shutdown systeminfo taskkill tasklist timeout tracert tzutil
    w32tm wevtutil where whoami wmic wscript xcopy
"""


def has_program(vm: Machine, path: str) -> bool:
    """True for common programs where they usually are, and for what the world adds."""
    if path in vm.guest.programs:
        return True
    if guest_family(vm.os) == "windowsGuest":
        directory, _, name = path.strip('"').replace("\\", "/").lower().rpartition("/")
        # Windows searches its path for a bare name.
        known = not directory or directory in _WINDOWS_DIRECTORIES
        return known and name.removesuffix(".exe") in _WINDOWS_PROGRAMS.split()
    directory, _, name = path.rpartition("/")
    return directory in _DIRECTORIES and name in _PROGRAMS.split()
