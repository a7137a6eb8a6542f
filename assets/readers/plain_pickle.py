"""Reads pickled dictionaries, lists and numpy arrays without running anything they say.

Some archives hold dictionaries as object arrays, which numpy can only unpickle, and unpickling runs whatever a file
names. This reader walks the opcodes itself: it builds plain values and arrays, knows the five names that numpy's own
pickles use, and refuses every other one.
"""

from __future__ import annotations

import math
import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np

from assets.readers.damaged import told


class UnsafePickleError(ValueError):
    """The stream asks for something that is no plain value; one sentence."""


@dataclass(frozen=True)
class _Name:
    """A name that a pickle may call: what stands for it here is never the real function."""

    kind: str


NAMES = {
    ("numpy", "ndarray"): _Name("ndarray"),
    ("numpy", "dtype"): _Name("dtype"),
    ("_codecs", "encode"): _Name("encode"),
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Name("reconstruct") for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _Name("scalar") for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _Name("frombuffer") for core in ("core", "_core")},
}
KINDS = "?bBiufSU"  # of dtypes whose bytes mean nothing but numbers and text
PLAIN = {
    "INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING",
    "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8", "UNICODE", "BINUNICODE",
    "SHORT_BINUNICODE", "BINUNICODE8",
}  # fmt: skip
MAKES = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False, "EMPTY_DICT": dict, "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}  # fmt: skip
# Values that one pickle may expand to. FaceScape's largest has 0.6 million; a list of lists that names itself over and
# over has more than fit into any memory after a few dozen bytes.
MOST_VALUES = 8_000_000
SKIPS = {"PROTO", "FRAME", "STOP"}
_MARK = object()


class _Dtype:
    """A dtype on its way: numpy pickles name first, byte order later."""

    def __init__(self, code: str) -> None:
        self.code, self.order = code, "="

    def made(self) -> np.dtype[Any]:
        if self.code[:1] == "O":
            return np.dtype(object)
        if self.code[:1] not in KINDS:
            msg = f"dtype '{self.code}' is none of numbers and text"
            raise UnsafePickleError(msg)
        return np.dtype(self.code).newbyteorder(self.order if self.order in "<>=" else "=")


class _Box:
    """An array on its way: what numpy fills in afterwards."""

    def __init__(self) -> None:
        self.value: Any = None


def loads(data: bytes) -> Any:
    """The value of a pickle: dictionaries, lists, tuples, text, numbers and numpy arrays of them.

    An object array of one item without shape (how ``np.savez`` keeps a dictionary) is that item; other object arrays
    are lists, nested as their shape says.

    Raises:
        UnsafePickleError: it holds anything else, or is damaged.
    """
    machine = _Machine()
    try:
        for opcode, argument, _ in pickletools.genops(data):
            machine.step(opcode.name, argument)
        return machine.finished(machine.stack.pop())
    except UnsafePickleError:
        raise
    except Exception as error:
        msg = f"the pickle is damaged ({told(error)})"
        raise UnsafePickleError(msg) from None


class _Machine:
    """The stack and the memo of a pickle."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}
        self.left = MOST_VALUES

    def step(self, name: str, argument: Any) -> None:
        """One opcode."""
        stack = self.stack
        if name in SKIPS:
            return
        if name in PLAIN:
            stack.append(argument)
        elif name in MAKES:
            stack.append(MAKES[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack[-1]
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(self.memo[int(argument)])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name in ("TUPLE", "LIST", "DICT", "APPENDS", "SETITEMS"):
            self._gather(name)
        elif name == "APPEND":
            item = stack.pop()
            stack[-1].append(item)
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            stack[-1][self.finished(key)] = value
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, attribute = argument.split(" ", 1) if name == "GLOBAL" else (stack[-2], stack[-1])
            if name == "STACK_GLOBAL":
                del stack[-2:]
            if (module, attribute) not in NAMES:
                msg = f"the file asks for {module}.{attribute}, which is no plain value: it is not read"
                raise UnsafePickleError(msg)
            stack.append(NAMES[module, attribute])
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            stack.append(_reduce(function, arguments))
        elif name == "BUILD":
            state = stack.pop()
            self.build(stack[-1], state)
        elif name == "POP":
            stack.pop()
        else:
            msg = f"pickle opcode {name} is not needed for plain values: the file is not read"
            raise UnsafePickleError(msg)

    def _gather(self, name: str) -> None:
        at = len(self.stack) - 1 - self.stack[::-1].index(_MARK)
        items = self.stack[at + 1 :]
        del self.stack[at:]
        if name == "APPENDS":
            self.stack[-1].extend(items)
        elif name == "SETITEMS":
            self.stack[-1].update({self.finished(k): v for k, v in zip(items[::2], items[1::2], strict=True)})
        elif name == "DICT":
            self.stack.append({self.finished(k): v for k, v in zip(items[::2], items[1::2], strict=True)})
        else:
            self.stack.append(tuple(items) if name == "TUPLE" else items)

    def build(self, target: Any, state: Any) -> None:
        """Fill in an array or a dtype."""
        if isinstance(target, _Dtype):
            target.order = _text(state[1])
        elif isinstance(target, _Box):
            _, shape, dtype, fortran, data = state
            made = dtype.made()
            if made == np.dtype(object):
                target.value = _nested([self.finished(item) for item in data], tuple(shape))
            else:
                target.value = np.frombuffer(_bytes(data), made).reshape(shape, order="F" if fortran else "C")
        else:
            msg = f"the file sets the state of a {type(target).__name__}, which has none: it is not read"
            raise UnsafePickleError(msg)

    def finished(self, value: Any) -> Any:
        """Arrays in place of what stood for them, all the way down."""
        self.left -= 1
        if self.left < 0:
            msg = f"the file expands to more than {MOST_VALUES} values: it is not read"
            raise UnsafePickleError(msg)
        if isinstance(value, _Box):
            return value.value
        if isinstance(value, _Name | _Dtype):
            msg = "the file holds a bare name, which is no plain value: it is not read"
            raise UnsafePickleError(msg)
        if isinstance(value, dict):
            return {key: self.finished(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return type(value)(self.finished(item) for item in value)
        return value


def _reduce(function: Any, arguments: tuple[Any, ...]) -> Any:
    """What a known name makes of its arguments."""
    kind = function.kind if isinstance(function, _Name) else ""
    if kind == "reconstruct":
        return _Box()
    if kind == "dtype":
        return _Dtype(_text(arguments[0]))
    if kind == "encode":
        return str(arguments[0]).encode("latin1")
    if kind == "scalar":
        return np.frombuffer(_bytes(arguments[1]), arguments[0].made(), 1)[0].item()
    if kind == "frombuffer":
        data, dtype, shape, order = arguments
        return np.frombuffer(_bytes(data), dtype.made()).reshape(shape, order=_text(order))
    msg = f"the file calls {kind or type(function).__name__}, which makes no plain value: it is not read"
    raise UnsafePickleError(msg)


def _nested(items: list[Any], shape: tuple[int, ...]) -> Any:
    if not shape:
        return items[0]
    if len(shape) == 1:
        return items
    if len(items) != math.prod(shape):
        msg = f"an array of objects of shape {shape} with {len(items)} of them"
        raise UnsafePickleError(msg)
    if not items:
        return []
    step = len(items) // shape[0]
    return [_nested(items[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]


def _bytes(value: Any) -> bytes:
    """Raw data; of a number, bytes() would make as many zeros."""
    if isinstance(value, str):
        return value.encode("latin1")
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    msg = f"raw data expected, got {type(value).__name__}"
    raise UnsafePickleError(msg)


def _text(value: Any) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)
