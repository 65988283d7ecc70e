"""Snappy's block format, which remote read uses.

Source: google/snappy, ``format_description.txt``: the length of the content as a varint, then elements,
each a literal or a copy of earlier content.
"""

from __future__ import annotations

from chrysaetos.errors import BadRequest, ContentTooLarge

__all__ = ["compress", "decompress"]

_LITERAL, _COPY_1, _COPY_2 = 0, 1, 2
_MAX_LITERAL = 65536
_LENGTH_BYTES = 5
"""Bytes of the longest varint of 32 bits."""


def decompress(block: bytes, limit: int) -> bytes:
    """Return the content of a block.

    The stated length is checked first, and no more than that is decompressed. So memory and time are bounded
    by the limit, not by the claims of a block.

    Args:
        block: the block.
        limit: maximum length of the content.

    Raises:
        ContentTooLarge: the content is longer than the limit.
        BadRequest: the block is malformed or incomplete.
    """
    length, position = _stated_length(block)
    if length > limit:
        raise ContentTooLarge(f"the message is longer than {limit} bytes when it is decompressed")
    content = bytearray()
    end = len(block)
    while position < end:
        tag = block[position]
        position += 1
        kind = tag & 3
        if kind == _LITERAL:
            size = tag >> 2
            if size >= 60:
                width = size - 59
                size = _number(block, position, width)
                position += width
            size += 1
            if size > end - position or size > length - len(content):
                raise _malformed()
            content += block[position : position + size]
            position += size
            continue
        if kind == _COPY_1:
            size = (tag >> 2 & 7) + 4
            offset = (tag >> 5) << 8 | _number(block, position, 1)
            position += 1
        else:
            width = 2 if kind == _COPY_2 else 4
            size = (tag >> 2) + 1
            offset = _number(block, position, width)
            position += width
        if not 0 < offset <= len(content) or size > length - len(content):
            raise _malformed()
        # A copy may overlap its own output, which then repeats.
        start = len(content) - offset
        piece = content[start : start + size]
        content += (piece * (size // len(piece) + 1))[:size] if len(piece) < size else piece
    if len(content) != length:
        raise _malformed()
    return bytes(content)


def compress(content: bytes) -> bytes:
    """Return a block that holds the content as literals, without compression."""
    block = bytearray()
    length = len(content)
    while length > 127:
        block.append(length & 127 | 128)
        length >>= 7
    block.append(length)
    for start in range(0, len(content), _MAX_LITERAL):
        piece = content[start : start + _MAX_LITERAL]
        block.append(61 << 2)  # a literal whose length is in the next two bytes
        block += (len(piece) - 1).to_bytes(2, "little")
        block += piece
    return bytes(block)


def _stated_length(block: bytes) -> tuple[int, int]:
    """Return the stated length of the content and the position after it."""
    length = 0
    for position, byte in enumerate(block[:_LENGTH_BYTES]):
        length |= (byte & 127) << 7 * position
        if byte < 128:
            if length >= 1 << 32:
                break
            return length, position + 1
    raise _malformed()


def _number(block: bytes, position: int, width: int) -> int:
    if position + width > len(block):
        raise _malformed()
    return int.from_bytes(block[position : position + width], "little")


def _malformed() -> BadRequest:
    return BadRequest("the body is not a valid Snappy block")
