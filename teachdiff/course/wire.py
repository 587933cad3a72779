"""Plain values as bytes: how a question goes to a submission, and how its answer comes back.

    message = length of the head (4 bytes) | length of the arrays (8 bytes) | head (JSON) | arrays (raw bytes)

The head is a tree: a bare JSON value is itself, and a JSON list is a container named by its first item,
`["list", ...]`, `["array", dtype, shape, begin, end]`. Nothing in it can name a class or be called, which is why
this is no pickle: what a hostile process writes is a plain value or an error.
"""

import json
import math
import re
import struct
from typing import Any

PREFIX = struct.Struct(">IQ")
HEAD_LIMIT = 4 << 20
DEPTH = 32
ITEM = {
    "|b1": 1, "|u1": 1, "|i1": 1, "<i2": 2, "<i4": 4, "<i8": 8, "<f2": 2, "<f4": 4, "<f8": 8, "<c8": 8, "<c16": 16,
}  # fmt: skip


class NotPlain(ValueError):
    """A value that is no plain value, or bytes that are no message."""


def pack(value: Any, limit: int) -> bytes:
    """A message of at most `limit` bytes.

    Raises:
        NotPlain: something in `value` is no plain value, or there is too much of it.
    """
    arrays: list[bytes] = []
    try:
        head = json.dumps(_plain(value, arrays, limit, 0)).encode()
    except RecursionError:
        raise NotPlain(f"a value may be nested {DEPTH} deep") from None
    if len(head) > min(HEAD_LIMIT, limit):
        raise NotPlain(f"numbers and texts outside arrays may take {min(HEAD_LIMIT, limit)} bytes; it is {len(head)}")
    return b"".join([PREFIX.pack(len(head), sum(map(len, arrays))), head, *arrays])


def _plain(value: Any, arrays: list[bytes], limit: int, depth: int) -> Any:
    """The tree of a value; the bytes of its arrays are added to `arrays`."""
    if depth > DEPTH:
        raise NotPlain(f"a value may be nested {DEPTH} deep")
    kind = type(value)
    if value is None or kind in (bool, int, float, str):
        return value
    if kind is complex:
        return ["complex", value.real, value.imag]
    if kind is bytes:
        return ["bytes", *_keep(value, arrays, limit)]
    if kind in (list, tuple):
        return [kind.__name__, *(_plain(item, arrays, limit, depth + 1) for item in value)]
    if kind is dict:
        if not all(type(key) is str for key in value):
            raise NotPlain("the keys of a dict must be texts")
        return ["dict", *([key, _plain(item, arrays, limit, depth + 1)] for key, item in value.items())]
    return _array(value, arrays, limit)


def _array(value: Any, arrays: list[bytes], limit: int) -> Any:
    if hasattr(value, "detach"):  # a tensor; numpy knows neither its graph nor its device, nor bfloat16
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    import numpy as np

    if not isinstance(value, np.ndarray | np.generic):
        name = f"{type(value).__module__}.{type(value).__qualname__}"
        raise NotPlain(f"expected numbers, texts, arrays, or lists and dicts of them; got a {name}")
    if value.nbytes > limit:
        raise NotPlain(f"arrays may take {limit} bytes; this one has shape {value.shape}, {value.nbytes} bytes")
    array = np.ascontiguousarray(value).reshape(value.shape)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype.str not in ITEM:
        raise NotPlain(f"expected an array of numbers; got one of dtype {array.dtype}")
    return ["array", array.dtype.str, list(array.shape), *_keep(array.tobytes(), arrays, limit)]


def _keep(data: bytes, arrays: list[bytes], limit: int) -> tuple[int, int]:
    begin = sum(map(len, arrays))
    if begin + len(data) > limit:
        raise NotPlain(f"arrays may take {limit} bytes in all")
    arrays.append(data)
    return begin, begin + len(data)


def lengths(prefix: bytes, limit: int) -> tuple[int, int]:
    """How many bytes of head and of arrays follow.

    Raises:
        NotPlain: more than `limit`, or no prefix.
    """
    head, arrays = PREFIX.unpack(prefix)
    if head > HEAD_LIMIT or head + arrays > limit + HEAD_LIMIT:
        raise NotPlain(f"a message of {head + arrays} bytes was announced; {limit} are allowed")
    return head, arrays


def unpack(head: bytes, arrays: bytes) -> Any:
    """The value of a message whose lengths are known.

    Raises:
        NotPlain: the bytes are no message. Nothing else, whatever they are.
    """
    try:
        return _value(json.loads(head.decode()), arrays, 0)
    except NotPlain:
        raise
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError) as error:
        raise NotPlain(f"these bytes are no message: {type(error).__name__}") from None


def _value(tree: Any, arrays: bytes, depth: int) -> Any:
    if depth > DEPTH:
        raise NotPlain(f"a value may be nested {DEPTH} deep")
    if tree is None or isinstance(tree, bool | int | float | str):
        return tree
    if not isinstance(tree, list) or not tree:
        raise NotPlain("a container must be named")
    kind, *items = tree
    if kind in ("list", "tuple"):
        values = [_value(item, arrays, depth + 1) for item in items]
        return values if kind == "list" else tuple(values)
    if kind == "dict":
        pairs = [(str(key), _value(item, arrays, depth + 1)) for key, item in items]
        return dict(pairs)
    if kind == "complex":
        real, imag = items
        return complex(float(real), float(imag))
    if kind == "bytes":
        return _slice(arrays, *items)
    if kind == "array":
        import numpy as np

        dtype, shape, begin, end = items
        if not isinstance(shape, list) or len(shape) > 16 or not all(type(n) is int and n >= 0 for n in shape):
            raise NotPlain("a shape must be a list of at most 16 numbers, 0 or more")
        data = _slice(arrays, begin, end)
        if dtype not in ITEM or math.prod(shape) * ITEM[dtype] != len(data):
            raise NotPlain("an array's dtype, shape and bytes must fit each other")
        array = np.frombuffer(data, dtype=dtype).reshape(shape)
        # Bytes beyond 0 and 1 are no booleans; a comparison of an array without axes gives a scalar.
        return np.asarray(array.view(np.uint8) != 0) if dtype == "|b1" else array.copy()
    raise NotPlain("a container of an unknown name")


def _slice(arrays: bytes, begin: int, end: int) -> bytes:
    if not (type(begin) is int and type(end) is int and 0 <= begin <= end <= len(arrays)):
        raise NotPlain("an array must lie within the message")
    return arrays[begin:end]


def readable(text: Any, limit: int = 4000) -> str:
    """A text as it may be shown: no terminal's control sequence, nothing that turns writing round, not too long."""
    text = str(text)[: 4 * limit].encode("utf-8", "replace").decode()
    text = re.sub(r"\x1b(\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)?|.)?", "", text.replace("\r\n", "\n"))
    text = "".join(c for c in text if c == "\n" or c == "\t" or not _hidden(c))
    return text if len(text) <= limit else f"{text[: limit - 20]} … (cut)"


def _hidden(c: str) -> bool:
    import unicodedata

    return unicodedata.category(c) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp")
