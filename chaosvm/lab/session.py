"""A rehearsal session: starts a lab, redirects everything to it, and ends it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chaosvm.activities import connections
from chaosvm.errors import InvalidValue, NotInRehearsal
from chaosvm.lab import network_block
from chaosvm.lab.foreign_activities import (
    ForeignActivities,
    OtherActions,
    ProcessProbes,
    activities,
    is_chaosvm_activity,
)
from chaosvm.lab.power_summary import cast_summary, join_names, power_changes
from chaosvm.lab.rehearsal_checks import find_mistakes
from chaosvm.lab.waits import shorten_waits
from chaosvm.lab.world_files import load as load_world
from chaosvm.platforms import PLATFORMS, platform_title
from chaosvm.runtime import rehearsal
from chaosvm.settings import Settings, load, values

if TYPE_CHECKING:
    from chaosvm.lab.lab import Lab

__all__ = ["ControlArguments", "RehearsalSession"]

logger = logging.getLogger("chaostoolkit")

_DEFAULT_WORLD = "small"
_SETTINGS_CLASSES: dict[str, type[Settings]] = {
    each.name: each.load_settings() for each in PLATFORMS
}
# Dora activities that use the environment's vCenter.
_DORA_VIA_VCENTER = ("power_on", "power_off", "reboot", "matches_platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlArguments:
    """The arguments of the control, checked."""

    world: Any = _DEFAULT_WORLD
    cast: bool = True
    platforms: Sequence[str] | None = None
    latency: float = 0.0
    durations: float = 1.0
    longest_wait: float = 5.0
    other_actions: OtherActions = OtherActions.SKIP
    process_probes: ProcessProbes = ProcessProbes.SKIP

    @classmethod
    def read(cls, arguments: Mapping[str, Any]) -> ControlArguments:
        """Raises InvalidValue, naming the argument."""
        if not arguments:
            return cls()
        fields = values.mapping(
            rehearsal.CONTROL, dict(arguments), _ARGUMENTS, '{"world": "small"}'
        )
        # A world that is given explicitly gets no additional VMs by default.
        return replace(cls(cast="world" not in fields), **fields)


def _world(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return values.string(key, value)
    if isinstance(value, Mapping) and value:
        return value
    raise values.invalid(
        key, value, "the name or the path of a world, or a mapping that describes one"
    )


def _platforms(key: str, value: Any) -> Sequence[str]:
    platforms = values.string_list(key, value)
    for each in platforms:
        if each not in _SETTINGS_CLASSES:
            known = ", ".join(_SETTINGS_CLASSES)
            raise values.invalid(key, each, f"platforms among {known}")
    return platforms


_ARGUMENTS = {
    "world": _world,
    "cast": values.boolean,
    "platforms": _platforms,
    "latency": lambda key, value: values.number(key, value, 0, 60, "seconds"),
    "durations": lambda key, value: values.number(key, value, 0, 10_000, "times"),
    # Not 0: an interval of 0 seconds is none, and the VMs would not be taken one by one.
    "longest_wait": lambda key, value: values.number(key, value, 0.1, 86_400, "seconds"),
    "other_actions": lambda key, value: values.choice(key, value, OtherActions),
    "process_probes": lambda key, value: values.choice(key, value, ProcessProbes),
}


class RehearsalSession:
    """One rehearsal, from the start of its lab to its end."""

    def __init__(self, arguments: ControlArguments) -> None:
        self._arguments = arguments
        self._exit_stack = ExitStack()
        self._lab: Lab | None = None
        self.foreign = ForeignActivities(arguments.other_actions, arguments.process_probes)
        self.has_begun = False
        self._cast: list[str] = []

    @property
    def lab(self) -> Lab:
        if self._lab is None:
            raise NotInRehearsal("the rehearsal has no lab")
        return self._lab

    def start_lab(self) -> None:
        """Start the lab and redirect all connections to it."""
        # Existing connections may lead to real servers.
        connections.close_all()
        self._exit_stack.enter_context(_exit_on_sigterm())
        source = load_world(self._arguments.world)
        source.world.durations = source.world.durations.times(self._arguments.durations)
        lab = self._exit_stack.enter_context(_lab(source.world, self._arguments.platforms))
        self._lab = lab
        self._exit_stack.enter_context(_environment_variables(lab.environment()))
        self.foreign.allow_processes()
        rehearsal.begin(lab.environment(), lab.addresses, lab.guest_networks)
        self._log_in()
        lab.latency = self._arguments.latency
        lab.rules(*source.rules)
        lab.reset_requests()

    def begin(
        self,
        experiment: dict[str, Any],
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any],
    ) -> None:
        """Let the experiment begin, provided that its settings lead to the lab only."""
        from chaosvm.lab.fixtures import NONE_MATCHES, WORLD_HINT, cast

        self._verify(configuration, secrets)
        self._raise_if_platform_missing(experiment)
        if self.has_begun:
            logger.debug("the rehearsal has already begun")
            return
        world = self.lab.world
        if mistakes := find_mistakes(experiment, configuration, secrets, world):
            raise InvalidValue("; ".join(mistakes))
        lines = cast(experiment, configuration, world) if self._arguments.cast else []
        if missing := [line for line in lines if line.startswith(NONE_MATCHES)]:
            raise InvalidValue(f"{'; '.join(missing)}. {WORLD_HINT}")
        names = join_names([platform_title(each) for each in self.lab.platforms])
        logger.info(
            f"rehearsal: a lab with {len(world.vms)} VMs stands in for {names}; "
            "chaosvm touches nothing real"
        )
        for line in lines:
            # A guest's port may be taken for granted; a VM may be misspelt.
            level = logging.WARNING if line.startswith(("added", "not added")) else logging.INFO
            logger.log(level, f"rehearsal: {line}")
        self._cast = lines
        self.foreign.apply(experiment)
        restore = shorten_waits(experiment, configuration, self._arguments.longest_wait)
        self._exit_stack.callback(restore)
        self.has_begun = True

    def close(self, reason: str) -> None:
        """Log what happened and clean up."""
        try:
            if self.has_begun:
                for line in power_changes(self.lab.world):
                    logger.info(f"rehearsal: {line}")
                if summary := cast_summary(self._cast):
                    logger.warning(f"rehearsal: {summary}")
            connections.close_all()
        finally:
            self.has_begun = False
            rehearsal.block(reason)
            self.foreign.restore()
            self._exit_stack.close()

    # Checks ------------------------------------------------------------------------

    def _verify(self, configuration: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        """Raises NotInRehearsal if the settings of any activity do not lead to the lab."""
        for platform in self.lab.platforms:
            for group in _secret_groups(secrets):
                try:
                    settings = load(_SETTINGS_CLASSES[platform], configuration, group)
                except InvalidValue:
                    continue  # the activities will report it, and connect nowhere
                elsewhere = settings.addresses - self.lab.addresses
                if elsewhere or not settings.addresses:
                    addresses = ", ".join(f"{host}:{port}" for host, port in sorted(elsewhere))
                    raise NotInRehearsal(f"{platform} still leads to {addresses or 'nowhere'}")

    def _raise_if_platform_missing(self, experiment: dict[str, Any]) -> None:
        """Raises NotInRehearsal if an activity needs a platform that the lab lacks."""
        for platform, activity in _needed_platforms(experiment):
            if platform not in self.lab.platforms:
                raise NotInRehearsal(
                    f"{activity!r} needs {platform_title(platform)}, which the lab lacks: "
                    + self._missing_platform_hint(platform)
                )

    def _missing_platform_hint(self, platform: str) -> str:
        from chaosvm.lab.lab import is_simulated

        if not is_simulated(platform):
            return "it is not simulated, so this experiment cannot be rehearsed"
        if self._arguments.platforms is not None:
            return f"add {platform} to the `platforms` of {rehearsal.CONTROL}, or omit `platforms`"
        return f"pip install 'chaostoolkit-vm[lab,{platform}]'"

    def _log_in(self) -> None:
        """Check that each platform can be reached, in the way activities do."""
        for platform in PLATFORMS:
            if platform.name in self.lab.platforms:
                platform.connect(None, None).connect()
        # The experiment makes its own logins.
        connections.close_all()


def _needed_platforms(experiment: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each platform that an activity uses, with the activity's name."""
    for each in filter(is_chaosvm_activity, activities(experiment)):
        platform = each["provider"]["module"].split(".")[1]
        if platform in _SETTINGS_CLASSES:
            yield platform, each.get("name")
        if platform == "dora" and each["provider"].get("func") in _DORA_VIA_VCENTER:
            yield "vsphere", each.get("name")


def _secret_groups(secrets: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """What activities may get as secrets: nothing, each group, or all groups merged."""
    groups = [dict(group) for group in secrets.values() if isinstance(group, Mapping)]
    yield {}
    yield from groups
    yield {key: value for group in groups for key, value in group.items()}


def _lab(world: Any, platforms: Sequence[str] | None) -> Lab:
    # From the package, which raises MissingExtra.
    from chaosvm.lab import Lab as LabClass
    from chaosvm.lab.lab import installed

    return LabClass(world, platforms=installed() if platforms is None else platforms)


@contextmanager
def _exit_on_sigterm() -> Iterator[None]:
    """Raise SystemExit on SIGTERM, which Chaos Toolkit only handles from the first activity on."""
    number = signal.SIGTERM
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(number) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(number, _exit)
    try:
        yield
    finally:
        if signal.getsignal(number) is _exit:
            signal.signal(number, signal.SIG_DFL)


def _exit(number: int, _: object) -> None:
    sys.exit(128 + number)


@contextmanager
def _environment_variables(variables: Mapping[str, str]) -> Iterator[None]:
    """Set the lab's variables for other code, and bypass proxies for blocked servers."""
    no_proxy = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    if no_proxy != "*":
        hosts = filter(None, [no_proxy, "127.0.0.1", *network_block.hosts()])
        variables = {**variables, "no_proxy": ",".join(hosts)}
    previous = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in previous.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
