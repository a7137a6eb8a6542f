"""The field table: what a stored pair consists of, and the one encoding of each field.

PNG goes through OpenCV with fixed compression settings, so equal arrays give equal bytes. Letters in a
shape are bound per store (``R`` image side, ``N`` SDF samples).
"""

from __future__ import annotations

import io
import json
import math
import re
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

import cv2
import numpy as np

from storage.errors import SchemaError
from storage.files import canonical_json
from storage.untrusted import MAX_PIXELS, count_of, saying

Array = np.ndarray[Any, np.dtype[Any]]
_NAME = re.compile(r"[A-Za-z0-9_]{1,64}(\.[A-Za-z0-9_]{1,16}){0,2}")  # of fields: they become names of files
Encoding = Literal["png8", "png16", "depth16", "mask8", "npy"]

# Part of the format. One fixed filter and run-length matching: on pictures, normals and depth three times as fast to
# write and twice as fast to read as zlib's default at equal size (measured in docs/store.md).
_PNG = (
    cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE,
    cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG,
)  # fmt: skip
NO_DEPTH = -2.0  # cube z where no surface is seen
META = "meta"
META_EXTENSION = "meta.json"
META_KEYS = ("angles", "camera", "expression", "identity", "light", "quality", "relief", "sources")
CAMERA_KEYS = ("mm_per_unit", "rotation", "scale", "translation")


@dataclass(frozen=True)
class FieldSpec:
    """One stored array. ``batch`` is the name of the field in the stages' batch that it is filled from."""

    name: str
    extension: str  # what follows the key and a dot in the tar
    encoding: Encoding
    dtype: str
    shape: tuple[int | str, ...]
    unit: str
    frame: str
    lossless: bool = True
    batch: str = ""


_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_NORMAL = "(n + 1) / 2 * 65535, 0 where none"


def _png(name: str, encoding: Encoding, dtype: str, unit: str, frame: str, *channels: int) -> FieldSpec:
    """A picture of side R; all but depth are given by the batch as they are stored."""
    exact = encoding != "depth16"
    batch = {"mask": "face_mask"}.get(name, name)
    return FieldSpec(name, f"{name}.png", encoding, dtype, ("R", "R", *channels), unit, frame, exact, batch)


def _npy(name: str, dtype: str, unit: str, frame: str, *channels: int) -> FieldSpec:
    """An array over the N near-surface samples."""
    return FieldSpec(name, f"{name}.npy", "npy", dtype, ("N", *channels), unit, frame, True, name)


PAIR_FIELDS = (
    _png("image", "png8", "uint8", "sRGB 0..255", "rgb", 3),
    _png("semantic", "png8", "uint8", "class id", "celebamask"),
    _png("mask", "mask8", "bool", "true inside the new face", "pixel"),
    _png("normal_front", "png16", "uint16", _NORMAL, "normal", 3),
    _png("normal_back", "png16", "uint16", _NORMAL, "normal", 3),
    _png("depth", "depth16", "float32", "cube z of the front surface, -2 where none", "cube"),
    _npy("sdf_index", "uint8", "x, y, z voxel of the 256^3 grid", "voxel", 3),
    _npy("sdf_value", "float16", "signed distance, positive outside", "cube"),
    _npy("sdf_residual", "float16", "distance minus its 5^3 mean", "cube"),
)


def _encode_png(array: Array) -> bytes:
    if array.ndim == 3:
        array = array[..., ::-1]  # OpenCV writes blue first
    done, data = cv2.imencode(".png", np.ascontiguousarray(array), list(_PNG))
    if not done:
        raise SchemaError(f"OpenCV could not write a PNG of shape {array.shape}; check the image size.")
    return data.tobytes()


def _decode_png(data: bytes) -> Array:
    if (
        data[:8] != _PNG_MAGIC or data[12:16] != b"IHDR" or len(data) < 33
    ):  # OpenCV would try any format that it knows
        raise SchemaError("the bytes are not a PNG; run `facepairs verify --deep`.")
    width, height = struct.unpack_from(">II", data, 16)
    if width * height > MAX_PIXELS:
        raise SchemaError(
            f"a PNG of {width} x {height} pixels, at most {MAX_PIXELS} are read; do not use this store."
        )
    try:
        array = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error:
        array = None
    if array is None:
        raise SchemaError("the bytes are not a PNG that OpenCV can read; run `facepairs verify --deep`.")
    return np.ascontiguousarray(array[..., ::-1]) if array.ndim == 3 else array


def encode(spec: FieldSpec, array: Array) -> bytes:
    """Bytes of one field, the same for equal arrays."""
    if spec.encoding == "npy":
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
        return buffer.getvalue()
    if spec.encoding == "mask8":
        return _encode_png(array.astype(np.uint8) * np.uint8(255))
    if spec.encoding == "depth16":
        # z in [-1, 1] on 1..65535: a step of 3.1e-5 cube units, 4 micrometres for a head that fills the cube.
        code = np.rint((array.astype(np.float64) + 1) / 2 * 65534) + 1
        return _encode_png(np.where(array == NO_DEPTH, 0, code).astype(np.uint16))
    return _encode_png(array)


def decode(spec: FieldSpec, data: bytes | memoryview) -> Array:
    """The array of one field, as ``encode`` got it (depth: to half a step)."""
    data = bytes(data)
    if spec.encoding == "npy":
        return decode_npy(data)
    array = _decode_png(data)
    if spec.encoding == "mask8":
        return np.asarray(array > 0)
    if spec.encoding == "depth16":
        z = (array.astype(np.float32) - 1) / np.float32(32767) - 1
        return np.where(array == 0, np.float32(NO_DEPTH), z).astype(np.float32)
    return array


def decode_npy(data: bytes) -> Array:
    """The array of an ``.npy`` file that holds as many bytes as its header says.

    Raises:
        SchemaError: it does not, or it holds objects.
    """
    stream = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(stream)
        header = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = header(stream)
        if dtype.hasobject or math.prod(shape) * dtype.itemsize != len(data) - stream.tell():
            raise ValueError(f"{dtype} of {shape} in {len(data)} bytes")
        flat = np.frombuffer(data, dtype, offset=stream.tell()).copy()
        return flat.reshape(shape, order="F" if fortran else "C")
    except Exception as error:  # NumPy raises anything on a damaged header
        told = " ".join(str(error).split())[:120]
        raise SchemaError(
            f"the bytes are not an array of numbers ({told}); run `facepairs verify --deep`."
        ) from error


@dataclass(frozen=True)
class Schema:
    """Fields, quality names and bound sizes of one store."""

    fields: tuple[FieldSpec, ...] = PAIR_FIELDS
    quality: tuple[str, ...] = ()
    sizes: Mapping[str, int] = field(default_factory=dict)

    def __getitem__(self, name: str) -> FieldSpec:
        for spec in self.fields:
            if spec.name == name:
                return spec
        raise SchemaError(f"the store has no field '{name}'; it has {', '.join(self.names)}.")

    @property
    def names(self) -> tuple[str, ...]:
        """Array fields and ``meta``, in the order of their members in the tar (sorted by extension)."""
        return tuple(sorted((*(f.name for f in self.fields), META), key=self.extension))

    def extension(self, name: str) -> str:
        """What follows ``key.`` in the member name."""
        return META_EXTENSION if name == META else self[name].extension

    def encode_sample(
        self, key: str, fields: Mapping[str, Array], meta: Mapping[str, Any]
    ) -> dict[str, bytes]:
        """Check one sample against the table and encode it.

        Raises:
            SchemaError: names sample, field, expected and got.
        """
        self._check_names(key, "field", set(fields), {f.name for f in self.fields})
        bound = dict(self.sizes)
        for spec in self.fields:
            self._check_array(key, spec, fields[spec.name], bound)
        self._check_names(key, "meta key", set(meta) - {"key", "plan"}, set(META_KEYS))
        self._check_names(key, "camera key", set(meta["camera"]), set(CAMERA_KEYS))
        self._check_names(key, "quality number", set(meta["quality"]), set(self.quality))
        encoded = {spec.name: encode(spec, fields[spec.name]) for spec in self.fields}
        try:
            encoded[META] = canonical_json(meta)
        except (ValueError, TypeError) as error:
            raise SchemaError(
                f"sample {key}: its meta cannot be written as JSON ({error}); every number must be finite."
            ) from error
        return encoded

    def decode_field(self, name: str, data: bytes | memoryview) -> Any:
        """Array of a field, or the dict of ``meta``.

        Raises:
            SchemaError: the bytes are damaged, or not what the field table says.
        """
        if name == META:
            try:
                meta = json.loads(bytes(data))
            except (ValueError, RecursionError):
                meta = None
            if not isinstance(meta, dict):
                raise SchemaError("a sample's meta is no JSON object; run `facepairs verify --deep`.")
            return meta
        spec, array = self[name], decode(self[name], data)
        want = tuple(self.sizes.get(s, s) if isinstance(s, str) else s for s in spec.shape)
        fits = len(want) == array.ndim and all(
            isinstance(w, str) or w == g for w, g in zip(want, array.shape, strict=True)
        )
        if not fits or str(array.dtype) != spec.dtype:
            raise SchemaError(
                f"field '{name}': {spec.dtype} of {want} expected, got {array.dtype} of {array.shape}; do not use this "
                "store."
            )
        return array

    def sample_bytes(self) -> int:
        """Upper estimate of one sample's size on disk, 1 MiB when the sizes are not bound."""
        total = 16384
        for spec in self.fields:
            sides = [self.sizes.get(s, 0) if isinstance(s, str) else s for s in spec.shape]
            total += int(np.prod(sides)) * np.dtype(spec.dtype).itemsize + 1024
        return total if self.sizes else 1 << 20

    def table(self) -> dict[str, Any]:
        """The JSON form that ``store.json`` holds."""
        return {
            "fields": [asdict(f) for f in self.fields],
            "quality": list(self.quality),
            "sizes": dict(self.sizes),
        }

    @staticmethod
    def from_table(table: Mapping[str, Any]) -> Schema:
        """Inverse of :meth:`table`."""
        with saying("store.json, field table"):
            fields = tuple(FieldSpec(**{**f, "shape": tuple(f["shape"])}) for f in table["fields"])
            for spec in fields:
                if not _NAME.fullmatch(spec.name) or not _NAME.fullmatch(spec.extension):
                    raise ValueError(f"field {spec.name!r:.40} in {spec.extension!r:.40}")
                if spec.encoding not in get_args(Encoding) or np.dtype(spec.dtype).kind not in "buif":
                    raise ValueError(f"field '{spec.name}' of {spec.dtype!r:.40} as {spec.encoding!r:.40}")
                if not all(isinstance(s, str) or 0 < count_of(s, spec.name) <= 1 << 30 for s in spec.shape):
                    raise ValueError(f"field '{spec.name}' of shape {spec.shape!r:.40}")
            for size in table["sizes"].values():
                count_of(size, "store.json")
            quality = tuple(table["quality"])
            if len({*quality}) != len(quality) or not all(_NAME.fullmatch(name) for name in quality):
                raise ValueError(f"quality numbers {quality!r:.60}")
            if len({f.name for f in fields} | {META}) != len(fields) + 1:
                raise ValueError("two fields of one name")
            return Schema(fields, quality, dict(table["sizes"]))

    @staticmethod
    def _check_names(key: str, what: str, got: set[str], want: set[str]) -> None:
        if missing := sorted(want - got):
            raise SchemaError(
                f"sample {key} lacks the {what} '{missing[0]}'; give all of {', '.join(sorted(want))}."
            )
        if extra := sorted(got - want):
            raise SchemaError(
                f"sample {key} has the {what} '{extra[0]}', which the store does not know; give only "
                f"{', '.join(sorted(want))}."
            )

    @staticmethod
    def _check_array(key: str, spec: FieldSpec, array: Array, bound: dict[str, int]) -> None:
        shape = getattr(array, "shape", None)
        dtype = str(getattr(array, "dtype", type(array).__name__))
        if dtype != spec.dtype:
            raise SchemaError(
                f"sample {key}, field '{spec.name}': dtype {spec.dtype} expected, got {dtype}; convert it in "
                "the stage that gives it."
            )
        fits = shape is not None and len(shape) == len(spec.shape)
        for want, got in zip(spec.shape, shape or (), strict=False):
            fits = fits and got == (bound.setdefault(want, got) if isinstance(want, str) else want)
        if not fits:
            want_text = tuple(bound.get(s, s) if isinstance(s, str) else s for s in spec.shape)
            raise SchemaError(
                f"sample {key}, field '{spec.name}': shape {want_text} expected, got {shape}; check the size "
                "that the stages were made with."
            )
        if spec.dtype.startswith("float") and not np.isfinite(array).all():
            raise SchemaError(
                f"sample {key}, field '{spec.name}': finite numbers expected, got NaN or infinity; reject "
                "the pair in its stage."
            )
        if spec.encoding == "depth16" and np.any((np.abs(array) > 1) & (array != NO_DEPTH)):
            raise SchemaError(
                f"sample {key}, field '{spec.name}': cube z in [-1, 1] or {NO_DEPTH} expected, got "
                f"{float(np.abs(array).max()):.3f}; check the fit's scale."
            )
