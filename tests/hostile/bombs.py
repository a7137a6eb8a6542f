"""Small files that promise or unpack to large things, and archives whose names lead elsewhere."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from pathlib import Path

import numpy as np
from PIL import Image


def png(side: int = 96, colour: tuple[int, int, int] = (200, 120, 80)) -> bytes:
    """A sound picture."""
    out = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(out, "PNG")
    return out.getvalue()


def png_of(width: int, height: int, bits: int = 8, kind: int = 2, data: bytes = b"") -> bytes:
    """A PNG of any dimensions in its header."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def text_bomb() -> bytes:
    """A PNG whose comment unpacks to 80 MB."""
    whole = png()
    body = b"Comment\0\0" + zlib.compress(bytes(80_000_000))
    chunk = struct.pack(">I", len(body)) + b"zTXt" + body + struct.pack(">I", zlib.crc32(b"zTXt" + body))
    return whole[:33] + chunk + whole[33:]


def many_scans(count: int = 4000) -> bytes:
    """A progressive JPEG whose last pass is repeated."""
    out = io.BytesIO()
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (256, 256, 3), np.uint8)).save(out, "JPEG", progressive=True)
    data = out.getvalue()
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * count + b"\xff\xd9"


def bmp_of(width: int, height: int) -> bytes:
    return struct.pack("<2sIHHIIiiHHIIiiII", b"BM", 54, 0, 0, 54, 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w") as file:
        for info, data in members:
            info.size = len(data) if info.isreg() else 0
            file.addfile(info, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def raw_header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A tar header with any size field, such as a negative one in base 256."""
    block = bytearray(512)
    block[: len(name)] = name
    block[100:108], block[124:136], block[136:148], block[156:157] = (
        b"0000644\0",
        size,
        b"0" * 11 + b"\0",
        kind,
    )
    block[257:265] = b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def negative(size: int) -> bytes:
    """A size field below zero."""
    return (256**12 + size).to_bytes(12, "big")


def pax_chain(count: int) -> bytes:
    """Extended headers of extended headers of ..."""
    record = b"13 path=a.png\n"[:14]
    one = raw_header(b"x", b"%011o\0" % len(record), b"x") + record.ljust(512, b"\0")
    return one * count


def zip_of(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return path


def npy_header(shape: str, dtype: str = "<f8") -> bytes:
    """The beginning of an array file with any shape."""
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    text = text.ljust(117) + b"\n"
    return b"\x93NUMPY\x01\0" + struct.pack("<H", len(text)) + text


def npz_of(path: Path, **arrays: np.ndarray | bytes) -> Path:
    """An archive of arrays, or of any bytes in their place."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, array in arrays.items():
            data = array
            if isinstance(array, np.ndarray):
                out = io.BytesIO()
                np.lib.format.write_array(out, array, allow_pickle=False)
                data = out.getvalue()
            file.writestr(f"{name}.npy", data)
    return path


def mat_of(*elements: bytes) -> bytes:
    """A MATLAB 5 file of any elements."""
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\0\1IM" + b"".join(elements)


def mat_element(kind: int, body: bytes) -> bytes:
    return struct.pack("<II", kind, len(body)) + body + (bytes(-len(body) % 8) if kind != 15 else b"")


def mat_matrix(name: bytes, kind: int, dims: tuple[int, ...], body: bytes = b"") -> bytes:
    flags = mat_element(6, struct.pack("<II", kind, 0))
    sizes = mat_element(5, struct.pack(f"<{len(dims)}i", *dims))
    return mat_element(14, flags + sizes + mat_element(1, name) + body)


def deep_cells(depth: int) -> bytes:
    """Cells within cells."""
    head = mat_matrix(b"", 1, (1, 1))[8:]
    size = len(head) + 8
    parts = [struct.pack("<II", 14, size * (depth - k) - 8) + head for k in range(depth)]
    return mat_of(b"".join(parts))
