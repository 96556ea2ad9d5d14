from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from chaosvm.dora.environments import parse_environments
from chaosvm.errors import InvalidValue
from chaosvm.lab.world_files import load as load_world
from chaosvm.plans import read_plan
from chaosvm.runtime.documents import UnusableFile, open_regular, parse_json, parse_yaml, read_text
from chaosvm.settings import output_file, write_atomically
from chaosvm.settings.addresses import ca_file

MEGABYTE = 1024 * 1024
LAUGHS = "\n".join(
    ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 20)]
)


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


# What is read ----------------------------------------------------------------------------

READERS: list[Callable[[str], Any]] = [
    lambda path: read_plan({"plan": path}),
    lambda path: parse_environments("dora_environments", path),
    load_world,
    lambda path: ca_file("vsphere_ca_file", path),
]


@pytest.mark.parametrize("read", READERS)
def test_a_pipe_is_not_waited_for(read: Callable[[str], Any], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    with pytest.raises(InvalidValue, match="not a regular file"):
        read(str(tmp_path / "pipe.json"))


@pytest.mark.parametrize("read", READERS)
def test_a_device_is_not_read(read: Callable[[str], Any]) -> None:
    with pytest.raises(InvalidValue, match="not a regular file"):
        read("/dev/zero")


@pytest.mark.parametrize("read", READERS)
def test_a_file_is_read_up_to_16_mb(read: Callable[[str], Any], tmp_path: Path) -> None:
    large = tmp_path / "large.json"
    with large.open("wb") as file:
        file.truncate(16 * MEGABYTE + 1)
    with pytest.raises(InvalidValue, match="larger than 16 MB"):
        read(str(large))


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("path", ["~nosuchuser/x", "a\0b", "\udcff", "x" * 5000, "/", ""])
def test_an_invalid_path_is_an_invalid_value(read: Callable[[str], Any], path: str) -> None:
    with pytest.raises(InvalidValue):
        read(path)


@pytest.mark.parametrize("read", READERS[:3])
@pytest.mark.parametrize("levels", [51, 5_000, 200_000])
@pytest.mark.parametrize("brackets", ["[]", "{}"])
def test_json_has_at_most_fifty_levels(
    read: Callable[[str], Any], levels: int, brackets: str, tmp_path: Path
) -> None:
    opening = "[" if brackets == "[]" else '{"a": '
    text = opening * levels + "1" + brackets[1] * levels
    deep = tmp_path / "deep.json"
    deep.write_text(text)
    with pytest.raises(InvalidValue, match=r"deep|JSON"):
        read(str(deep))


@pytest.mark.parametrize("read", READERS[1:3])
def test_some_lines_of_yaml_do_not_stand_for_billions_of_items(
    read: Callable[[str], Any], tmp_path: Path
) -> None:
    small = tmp_path / "small.yaml"
    small.write_text(LAUGHS)
    with pytest.raises(InvalidValue, match="items"):
        read(str(small))


def test_fifty_levels_are_read() -> None:
    assert parse_json("[" * 50 + "]" * 50) is not None
    assert parse_json(b'{"a": [1]}') == {"a": [1]}


@pytest.mark.parametrize(
    "text",
    ["[", "a: b: c", "!!int ''", "!!bool x", "!!timestamp x", "&a [*a]", "{a: *b}", "[" * 5000],
)
def test_invalid_yaml_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011  # whatever it is, no other kind
        parse_yaml(text)


def test_a_link_to_a_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "link").symlink_to("file")
    assert read_text(tmp_path / "link") == "x"


def test_text_that_is_not_utf8(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"\xff")
    with pytest.raises(UnusableFile, match="not UTF-8"):
        read_text(tmp_path / "file")


# What is written -------------------------------------------------------------------------


@pytest.mark.usefixtures("umask")
def test_a_new_file_is_private_whatever_the_umask(tmp_path: Path) -> None:
    write_atomically(tmp_path / "plan.json", "{}")
    os.close(open_regular(tmp_path / "ledger", os.O_RDWR | os.O_CREAT))
    assert mode(tmp_path / "plan.json") == mode(tmp_path / "ledger") == 0o600


def test_a_narrow_umask_does_not_take_the_file_from_its_owner(tmp_path: Path) -> None:
    before = os.umask(0o777)
    try:
        write_atomically(tmp_path / "plan.json", "{}")
        os.close(open_regular(tmp_path / "ledger", os.O_RDWR | os.O_CREAT))
    finally:
        os.umask(before)
    assert mode(tmp_path / "plan.json") == mode(tmp_path / "ledger") == 0o600


@pytest.mark.parametrize("permissions", [0o600, 0o640, 0o664])
def test_a_file_that_is_replaced_keeps_its_mode(permissions: int, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.touch()
    path.chmod(permissions)
    write_atomically(path, "new")
    assert (mode(path), path.read_text()) == (permissions, "new")


def test_a_link_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("old")
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(InvalidValue, match="symbolic link"):
        output_file("path", str(tmp_path / "link"))
    with pytest.raises(InvalidValue, match="symbolic link"):
        write_atomically(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_text() == "old"


def test_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidValue, match="not a regular file"):
        output_file("path", str(tmp_path / "pipe"))
    with pytest.raises(InvalidValue, match="not a regular file"):
        write_atomically(tmp_path / "pipe", "new")
    assert (tmp_path / "pipe").is_fifo()


def test_a_ledger_is_not_opened_where_there_is_something_else(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for flags in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR | os.O_APPEND | os.O_CREAT):
        with pytest.raises(UnusableFile, match="not a regular file"):
            open_regular(tmp_path / "pipe", flags)


def test_nothing_is_left_beside_a_file_that_was_not_written(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("target")
    with pytest.raises(InvalidValue):
        write_atomically(tmp_path / "link", json.dumps({}))
    assert [path.name for path in tmp_path.iterdir()] == ["link"]
