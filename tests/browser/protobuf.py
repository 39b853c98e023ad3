"""The few lines of protocol buffers that Chromium's messaging protocol needs: fields in, fields out, no schema."""

from collections.abc import Iterator

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5


def varint(number: int) -> bytes:
    """Base 128, least significant group first."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def number_field(key: int, value: int) -> bytes:
    return varint(key << 3 | VARINT) + varint(value)


def fixed64_field(key: int, value: int) -> bytes:
    return varint(key << 3 | FIXED64) + value.to_bytes(8, "little")


def bytes_field(key: int, value: bytes | str) -> bytes:
    """A string, bytes or embedded message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(key << 3 | BYTES) + varint(len(data)) + data


def fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field in order as (key, value): an int for numbers, bytes for everything that has a length."""
    at = 0
    while at < len(message):
        tag, at = _read_varint(message, at)
        key, kind = tag >> 3, tag & 7
        if kind == VARINT:
            value, at = _read_varint(message, at)
            yield key, value
        elif kind == BYTES:
            length, at = _read_varint(message, at)
            yield key, message[at : at + length]
            at += length
        elif kind in (FIXED64, FIXED32):
            length = 8 if kind == FIXED64 else 4
            yield key, int.from_bytes(message[at : at + length], "little")
            at += length
        else:
            raise ValueError(f"wire type {kind} of field {key} is not one Chromium sends")


def _read_varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if not byte & 0x80:
            return value, at
        shift += 7
