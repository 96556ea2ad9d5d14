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


def read(content: bytes, encoding: str | None = "gzip", most: int = MEGABYTE) -> bytes:
    return b"".join(unpacked(io.BytesIO(content).read, encoding, most, "server"))


@pytest.mark.parametrize("encoding", [None, "identity", " Identity ", ""])
def test_an_unencoded_response_is_unchanged(encoding: str | None) -> None:
    assert read(TEXT, encoding) == TEXT


@pytest.mark.parametrize("content", [b"", b"x", TEXT, bytes(65_536), bytes(65_537), bytes(131_072)])
@pytest.mark.parametrize("encoding", ["gzip", "GZIP", " gzip "])
def test_gzip_is_decompressed(content: bytes, encoding: str) -> None:
    assert read(gzip.compress(content), encoding) == content


def test_several_gzip_members_are_decompressed() -> None:
    assert read(gzip.compress(b"one ") + gzip.compress(b"two")) == b"one two"
    assert read(gzip.compress(b"") * 1000 + gzip.compress(b"x")) == b"x"


def test_chunks_are_yielded_as_they_arrive() -> None:
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
def test_an_incomplete_response_is_an_error(content: bytes) -> None:
    with pytest.raises(zlib.error):
        read(content)


@pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, gzip", "x\r\ny"])
def test_any_other_encoding_is_an_error(encoding: str) -> None:
    with pytest.raises(http.client.HTTPException, match="unsupported Content-Encoding"):
        read(TEXT, encoding)


@pytest.mark.parametrize("encoding", ["gzip", None])
def test_a_response_over_the_limit_is_an_error(encoding: str | None) -> None:
    def made(size: int) -> bytes:
        return bytes(size) if encoding is None else gzip.compress(bytes(size))

    assert len(read(made(MEGABYTE), encoding)) == MEGABYTE
    with pytest.raises(AnswerTooLarge, match="server answered with more than 1 MB"):
        read(made(MEGABYTE + 1), encoding)


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
