"""The argument ``vms`` of activities: a mapping, or the JSON text of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from chaosvm.errors import InvalidValue
from chaosvm.selection.messages import EXAMPLE, bare_list_error, bare_string_error
from chaosvm.settings import values

__all__ = ["VMSelection", "parse_text"]

if TYPE_CHECKING:
    VMSelection = Mapping[str, Any] | str
else:
    # What discovery shows. For a mapping, `chaos init` calls dict(text) until it succeeds.
    VMSelection = str


def parse_text(vms: Any, key: str = "vms") -> Any:
    """Return the mapping that a JSON text describes; anything but a string as it is.

    JSON is what `chaos init`, a variable or `--var` can hold. Raises InvalidValue for
    any other string, such as a glob, and for a list.
    """
    if isinstance(vms, str) and vms.lstrip().startswith("["):
        with suppress(ValueError, RecursionError):  # it may also be a glob
            vms = json.loads(vms)
    if isinstance(vms, list):
        raise bare_list_error(key, vms)
    if not isinstance(vms, str):
        return vms
    if not vms.lstrip().startswith("{"):
        raise bare_string_error(key, vms)
    try:
        return json.loads(vms)
    except (ValueError, RecursionError) as error:
        raise InvalidValue(
            f"{key} is {values.shown(vms)}, which is not JSON ({error}): expected a mapping "
            f"such as {EXAMPLE}"
        ) from None
