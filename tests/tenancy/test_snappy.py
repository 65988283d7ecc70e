"""Snappy's block format."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chrysaetos.errors import ApiError, BadRequest, ContentTooLarge
from chrysaetos.tenancy.snappy import compress, decompress

LIMIT = 1 << 20


@pytest.mark.parametrize(
    ("block", "content"),
    [
        (b"\x00", b""),
        (b"\x03\x08abc", b"abc"),
        (b"\x03\xf0\x02abc", b"abc"),  # the length in one further byte
        (b"\x03\xf4\x02\x00abc", b"abc"),
        (b"\x03\xf8\x02\x00\x00abc", b"abc"),
        (b"\x03\xfc\x02\x00\x00\x00abc", b"abc"),
        (b"\x83\x00\x08abc", b"abc"),  # a varint may be longer than necessary
        (b"\x07\x08abc\x01\x03", b"abcabca"),  # a copy with an 11-bit offset
        (b"\x06\x08abc\x0a\x03\x00", b"abcabc"),  # a 16-bit offset
        (b"\x06\x08abc\x0b\x03\x00\x00\x00", b"abcabc"),  # a 32-bit offset
        (b"\x0b\x00a\x19\x01", b"a" * 11),  # a copy that overlaps its own output
        (b"\x09\x04ab\x0d\x02", b"ababababa"),
    ],
)
def test_each_element_is_read(block, content):
    assert decompress(block, LIMIT) == content


def test_the_output_of_a_real_compressor_is_decompressed():
    # golang/snappy's Encode of 300 times "prometheus."
    content = b"prometheus." * 300
    copies, left = b"", len(content) - 11
    while left:
        size = min(left, 64)
        copies += bytes([(size - 1) << 2 | 2]) + (11).to_bytes(2, "little")
        left -= size
    assert decompress(b"\xe4\x19" + bytes([10 << 2]) + b"prometheus." + copies, LIMIT) == content


@pytest.mark.parametrize(
    "block",
    [
        b"",
        b"\x80",
        b"\x80\x80\x80\x80\x80\x00",
        b"\xff\xff\xff\xff\x7f",
        b"\x03",  # content is missing
        b"\x03\x08ab",  # a truncated literal
        b"\x03\xf0",
        b"\x03\xf4\x02",
        b"\x02\x08abc",  # more than the stated length
        b"\x04\x08abc",  # less than the stated length
        b"\x07\x08abc\x01",  # a truncated copy
        b"\x07\x08abc\x0a\x03",
        b"\x07\x08abc\x0b\x03\x00\x00",
        b"\x07\x08abc\x01\x00",  # a copy with offset 0
        b"\x07\x08abc\x01\x04",  # a copy from before the beginning
        b"\x04\x01\x01",
        b"\x05\x08abc\x01\x03",  # a copy beyond the stated length
        b"\x04\xfc\xff\xff\xff\xff",
    ],
)
def test_invalid_blocks_are_rejected(block):
    with pytest.raises(BadRequest):
        decompress(block, LIMIT)


def test_a_block_whose_stated_length_exceeds_the_limit_is_rejected():
    with pytest.raises(ContentTooLarge, match="1000 bytes"):
        decompress(b"\xe9\x07", 1000)
    bomb = b"\xff\xff\xff\xff\x0f\x00a" + b"\xfe\x01\x00" * 100_000
    tracemalloc.start()
    with pytest.raises(ContentTooLarge):
        decompress(bomb, LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


def test_a_block_longer_than_its_stated_length_is_rejected():
    bomb = b"\x10\x00a" + b"\xfe\x01\x00" * 100_000
    tracemalloc.start()
    with pytest.raises(BadRequest):
        decompress(bomb, LIMIT)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()


@given(st.binary(max_size=300))
def test_decompression_reverses_compression(content):
    assert decompress(compress(content), LIMIT) == content


def test_long_content_is_compressed():
    content = b"".join(number.to_bytes(3, "big") for number in range(66_667))
    block = compress(content)
    assert len(block) < len(content) + 20
    assert decompress(block, LIMIT) == content


@given(st.binary(max_size=60))
def test_any_bytes_are_decompressed_or_rejected(block):
    try:
        content = decompress(block, 4096)
    except ApiError:
        return
    assert len(content) <= 4096
