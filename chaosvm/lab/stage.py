"""What a rehearsal takes place on: a lab that is running, and everything leading to it."""

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

from chaosvm import connections, rehearsal, values
from chaosvm.errors import InvalidValue, NotInRehearsal
from chaosvm.lab import wall
from chaosvm.lab.account import listed, power_changes, shown
from chaosvm.lab.others import OtherActions, Others, ProcessProbes, activities, is_ours
from chaosvm.lab.worlds import load as load_world
from chaosvm.platforms import PLATFORMS
from chaosvm.settings import Settings, load

if TYPE_CHECKING:
    from chaosvm.lab.lab import Lab

__all__ = ["Plan", "Stage"]

logger = logging.getLogger("chaostoolkit")

_READY_MADE = "small"
_SETTINGS: dict[str, type[Settings]] = {each.name: each.load_settings() for each in PLATFORMS}
# What Dora's activities have the environment's vCenter do.
_BY_VCENTER = ("power_on", "power_off", "reboot", "matches_platform")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The arguments of the control, checked."""

    world: Any = _READY_MADE
    cast: bool = True
    platforms: Sequence[str] | None = None
    latency: float = 0.0
    durations: float = 1.0
    other_actions: OtherActions = OtherActions.SKIP
    process_probes: ProcessProbes = ProcessProbes.SKIP

    @classmethod
    def read(cls, arguments: Mapping[str, Any]) -> Plan:
        """Raises InvalidValue, naming the argument."""
        if not arguments:
            return cls()
        read = values.mapping(rehearsal.CONTROL, dict(arguments), _ARGUMENTS, '{"world": "small"}')
        # Whoever gives a world has decided who is in it.
        return replace(cls(cast="world" not in read), **read)


def _world(key: str, value: Any) -> Any:
    if isinstance(value, str):
        return values.text(key, value)
    if isinstance(value, Mapping) and value:
        return value
    raise values.invalid(key, value, "the name or the path of a world, or a mapping with one")


def _platforms(key: str, value: Any) -> Sequence[str]:
    chosen = values.text_list(key, value)
    for each in chosen:
        if each not in _SETTINGS:
            known = ", ".join(_SETTINGS)
            raise values.invalid(key, each, f"platforms among {known}")
    return chosen


_ARGUMENTS = {
    "world": _world,
    "cast": values.boolean,
    "platforms": _platforms,
    "latency": lambda key, value: values.number(key, value, 0, 60, "seconds"),
    "durations": lambda key, value: values.number(key, value, 0, 10_000, "times"),
    "other_actions": lambda key, value: values.choice(key, value, OtherActions),
    "process_probes": lambda key, value: values.choice(key, value, ProcessProbes),
}


class Stage:
    """One rehearsal, from the start of its lab to the end."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ending = ExitStack()
        self._lab: Lab | None = None
        self.others = Others(plan.other_actions, plan.process_probes)
        self.is_open = False

    @property
    def lab(self) -> Lab:
        if self._lab is None:
            raise NotInRehearsal("the rehearsal has no lab")
        return self._lab

    def set_up(self) -> None:
        """Start the lab, and lead everything there."""
        # What was connected before, wherever to, is not used again.
        connections.close_all()
        self._ending.enter_context(_ended_by_sigterm())
        described = load_world(self._plan.world)
        described.world.durations = described.world.durations.times(self._plan.durations)
        self._lab = lab = self._ending.enter_context(_lab(described.world, self._plan.platforms))
        self._ending.enter_context(_in_the_environment(lab.environment()))
        self.others.open_the_wall()
        rehearsal.begin(lab.environment(), lab.addresses)
        self._log_in()
        lab.latency = self._plan.latency
        lab.rules(*described.rules)
        lab.reset_requests()

    def open(
        self,
        experiment: dict[str, Any],
        configuration: Mapping[str, Any],
        secrets: Mapping[str, Any],
    ) -> None:
        """Let the experiment begin, if it leads nowhere else."""
        from chaosvm.lab.casting import cast

        self._verify(configuration, secrets)
        self._refuse_missing(experiment)
        if self.is_open:
            logger.debug("the rehearsal has begun already")
            return
        lines = cast(experiment, configuration, self.lab.world) if self._plan.cast else []
        names = listed([shown(each) for each in self.lab.platforms])
        logger.info(
            f"rehearsal: a lab with {len(self.lab.world.vms)} VMs stands for {names}; "
            "nothing real is touched by chaosvm"
        )
        for line in lines:
            logger.info(f"rehearsal: {line}")
        self.others.stand_aside(experiment)
        self.is_open = True

    def take_down(self, why: str) -> None:
        """Tell what happened, and leave nothing behind."""
        try:
            if self.is_open:
                for line in power_changes(self.lab.world):
                    logger.info(f"rehearsal: {line}")
            connections.close_all()
        finally:
            self.is_open = False
            rehearsal.block(why)
            self.others.come_back()
            self._ending.close()

    # Where everything leads --------------------------------------------------------

    def _verify(self, configuration: Mapping[str, Any], secrets: Mapping[str, Any]) -> None:
        """What the activities will do with their settings must lead to the lab."""
        for platform in self.lab.platforms:
            for given in _as_activities_get_them(secrets):
                try:
                    settings = load(_SETTINGS[platform], configuration, given)
                except InvalidValue:
                    continue  # its activities will say so, and connect nowhere
                astray = settings.addresses - self.lab.addresses
                if astray or not settings.addresses:
                    told = ", ".join(f"{host}:{port}" for host, port in sorted(astray))
                    raise NotInRehearsal(f"{platform} still leads to {told or 'nowhere'}")

    def _refuse_missing(self, experiment: dict[str, Any]) -> None:
        """Otherwise its activities would fail, one after the other."""
        for platform, activity in _needed(experiment):
            if platform not in self.lab.platforms:
                raise NotInRehearsal(
                    f"{activity!r} needs {shown(platform)}, which the lab does not have: "
                    + self._why_missing(platform)
                )

    def _why_missing(self, platform: str) -> str:
        if self._plan.platforms is not None:
            return f"add {platform} to the `platforms` of {rehearsal.CONTROL}, or leave them out"
        return f"pip install 'chaostoolkit-vm[lab,{platform}]'"

    def _log_in(self) -> None:
        """By each platform's own way, as activities do."""
        for platform in PLATFORMS:
            if platform.name in self.lab.platforms:
                platform.connect(None, None).connect()
        # The experiment's own logins are its own to make.
        connections.close_all()


def _needed(experiment: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Each platform that an activity asks or changes, with the activity's name."""
    for each in filter(is_ours, activities(experiment)):
        platform = each["provider"]["module"].split(".")[1]
        if platform in _SETTINGS:
            yield platform, each.get("name")
        if platform == "dora" and each["provider"].get("func") in _BY_VCENTER:
            yield "vsphere", each.get("name")


def _as_activities_get_them(secrets: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The groups of secrets one by one, none of them, and all together."""
    groups = [dict(group) for group in secrets.values() if isinstance(group, Mapping)]
    yield {}
    yield from groups
    yield {key: value for group in groups for key, value in group.items()}


def _lab(world: Any, platforms: Sequence[str] | None) -> Lab:
    # From the package, which tells what is missing for it.
    from chaosvm.lab import Lab as Made
    from chaosvm.lab.lab import installed

    return Made(world, platforms=installed() if platforms is None else platforms)


@contextmanager
def _ended_by_sigterm() -> Iterator[None]:
    """Chaos Toolkit only heeds it from the first activity on: until then it would end at once."""
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
def _in_the_environment(told: Mapping[str, str]) -> Iterator[None]:
    """Processes and others find the lab there, and no proxy leads to what is kept away from."""
    known = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    if known != "*":
        told = {**told, "no_proxy": ",".join(filter(None, [known, "127.0.0.1", *wall.hosts()]))}
    before = {name: os.environ.get(name) for name in told}
    os.environ.update(told)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
