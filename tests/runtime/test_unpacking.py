from __future__ import annotations

import gzip
import http.client
import io
import random
import tracemalloc
import zlib

import pytest

from chaosvm.errors import AnswerTooLarge
from chaosvm.runtime.unpacking import unpacked

TEXT = b"".join(b"%d, " % number for number in range(100_000))
MEGABYTE = 1024 * 1024


def read(content: bytes, packing: str | None = "gzip", most: int = MEGABYTE) -> bytes:
    return b"".join(unpacked(io.BytesIO(content).read, packing, most, "server"))


@pytest.mark.parametrize("packing", [None, "identity", " Identity ", ""])
def test_what_is_not_packed_is_as_it_is(packing: str | None) -> None:
    assert read(TEXT, packing) == TEXT


@pytest.mark.parametrize("content", [b"", b"x", TEXT, bytes(65_536), bytes(65_537), bytes(131_072)])
@pytest.mark.parametrize("packing", ["gzip", "GZIP", " gzip "])
def test_gzip_is_unpacked(content: bytes, packing: str) -> None:
    assert read(gzip.compress(content), packing) == content


def test_one_packet_may_follow_another() -> None:
    assert read(gzip.compress(b"one ") + gzip.compress(b"two")) == b"one two"
    assert read(gzip.compress(b"") * 1000 + gzip.compress(b"x")) == b"x"


def test_pieces_arrive_as_the_connection_has_them() -> None:
    draw = random.Random(7)
    packed = io.BytesIO(gzip.compress(TEXT))
    pieces = unpacked(lambda size: packed.read(draw.randrange(1, 50)), "gzip", MEGABYTE, "server")
    assert b"".join(pieces) == TEXT


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(TEXT)[:-1],
        gzip.compress(TEXT)[:100],
        b"",
        b"plain text",
        gzip.compress(TEXT) + b"more",
        zlib.compress(TEXT),
    ],
    ids=["one byte short", "the beginning", "nothing", "plain text", "more behind it", "zlib"],
)
def test_what_is_not_all_of_it_is_an_error(content: bytes) -> None:
    with pytest.raises(zlib.error):
        read(content)


@pytest.mark.parametrize("packing", ["br", "deflate", "gzip, gzip", "x\r\ny"])
def test_any_other_packing_is_an_error(packing: str) -> None:
    with pytest.raises(http.client.HTTPException, match="unsupported Content-Encoding"):
        read(TEXT, packing)


@pytest.mark.parametrize("packing", ["gzip", None])
def test_so_much_and_no_more(packing: str | None) -> None:
    def made(size: int) -> bytes:
        return bytes(size) if packing is None else gzip.compress(bytes(size))

    assert len(read(made(MEGABYTE), packing)) == MEGABYTE
    with pytest.raises(AnswerTooLarge, match="server answered with more than 1 MB"):
        read(made(MEGABYTE + 1), packing)


def test_a_bomb_costs_no_memory() -> None:
    bomb = gzip.compress(bytes(256 * MEGABYTE))
    tracemalloc.start()
    try:
        with pytest.raises(AnswerTooLarge):
            for _ in unpacked(io.BytesIO(bomb).read, "gzip", 64 * MEGABYTE, "server"):
                pass
        assert tracemalloc.get_traced_memory()[1] < 2 * MEGABYTE
    finally:
        tracemalloc.stop()
