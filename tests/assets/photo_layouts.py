"""Small photo sets in exactly the layouts that their owners publish, made of given pictures, to prove readers."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image
from scipy.io import savemat

Pictures = Sequence[np.ndarray]  # uint8 (H, W, 3)
ATTRIBUTES = (  # noqa: SIM905 (one to a line would be forty lines)
    "5_o_Clock_Shadow Arched_Eyebrows Attractive Bags_Under_Eyes Bald Bangs Big_Lips Big_Nose Black_Hair Blond_Hair "
    "Blurry Brown_Hair Bushy_Eyebrows Chubby Double_Chin Eyeglasses Goatee Gray_Hair Heavy_Makeup High_Cheekbones Male "
    "Mouth_Slightly_Open Mustache Narrow_Eyes No_Beard Oval_Face Pale_Skin Pointy_Nose Receding_Hairline Rosy_Cheeks "
    "Sideburns Smiling Straight_Hair Wavy_Hair Wearing_Earrings Wearing_Hat Wearing_Lipstick Wearing_Necklace "
    "Wearing_Necktie Young"
).split()


def jpeg(picture: np.ndarray, quality: int = 95) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "JPEG", quality=quality)
    return packed.getvalue()


def png(picture: np.ndarray) -> bytes:
    packed = io.BytesIO()
    Image.fromarray(picture).save(packed, "PNG", compress_level=1)
    return packed.getvalue()


def write(root: Path, files: Mapping[str, bytes | str]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return root


def tar(path: Path, files: Mapping[str, bytes | str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def zipped(path: Path, files: Mapping[str, bytes | str], method: int = zipfile.ZIP_DEFLATED) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def attribute_rows(names: Sequence[str], male: Sequence[bool]) -> str:
    """CelebA's list: count, names, then 1 and -1 in columns."""
    rows = []
    for name, is_male in zip(names, male, strict=True):
        values = {a: -1 for a in ATTRIBUTES} | {
            "Male": 1 if is_male else -1,
            "No_Beard": -1 if is_male else 1,
        }
        rows.append(f"{name} " + " ".join(f"{v:>2}" for v in values.values()))
    return "\n".join([str(len(rows)), " ".join(ATTRIBUTES) + " ", *rows]) + "\n"


def celeba(
    root: Path, pictures: Pictures, people: Sequence[int], *, wild: bool = False, packed: bool = False
) -> Path:
    """``Img/`` and ``Anno/`` as in the owners' folder; pictures unpacked, or in the owners' zip."""
    names = [f"{i + 1:06d}.jpg" for i in range(len(pictures))]
    folder = "img_celeba" if wild else "img_align_celeba"
    images = {f"{folder}/{n}": jpeg(p) for n, p in zip(names, pictures, strict=True)}
    if packed:
        zipped(root / "Img" / f"{folder}.zip", images)
    else:
        write(root / "Img", images)
    boxes = [f"{n}    95  71 226 313" for n in names]
    return write(root, {
        "Anno/identity_CelebA.txt": "".join(f"{n} {p}\n" for n, p in zip(names, people, strict=True)),
        "Anno/list_attr_celeba.txt": attribute_rows(names, [p % 2 == 1 for p in people]),
        "Anno/list_bbox_celeba.txt": "\n".join([str(len(names)), "image_id x_1 y_1 width height", *boxes]) + "\n",
        "Eval/list_eval_partition.txt": "".join(f"{n} 0\n" for n in names),
        "README.txt": "Large-scale CelebFaces Attributes (CelebA) Dataset\n",
    })  # fmt: skip


def celebamask(root: Path, pictures: Pictures, masks: Sequence[Mapping[str, np.ndarray]]) -> Path:
    """1024² pictures, 512² masks of 0 and 255 by class name, and the mapping to CelebA."""
    files: dict[str, bytes | str] = {
        "CelebA-HQ-to-CelebA-mapping.txt": "idx\torig_idx\torig_file\n"
        + "".join(f"{i:<8}{7 * i:<12}{7 * i + 1:06d}.jpg\n" for i in range(len(pictures))),
        "CelebAMask-HQ-attribute-anno.txt": attribute_rows(
            [f"{i}.jpg " for i in range(len(pictures))], [i % 2 == 1 for i in range(len(pictures))]
        ),
        "CelebAMask-HQ-pose-anno.txt": "30000\nYaw Pitch Raw\n",
        "README.txt": "CelebAMask-HQ\n",
    }
    for i, (picture, own) in enumerate(zip(pictures, masks, strict=True)):
        files[f"CelebA-HQ-img/{i}.jpg"] = jpeg(picture)
        for name, mask in own.items():
            # The owners' masks are RGB pictures of one grey.
            grey = np.repeat((mask.astype(np.uint8) * 255)[..., None], 3, axis=2)
            files[f"CelebAMask-HQ-mask-anno/{i // 2000}/{i:05d}_{name}.png"] = png(grey)
    return write(root, files)


def ffhq(
    root: Path, pictures: Pictures, authors: Sequence[str], licences: Sequence[str], *, wild: bool = False
) -> Path:
    """Pictures by thousands, thumbnails, and the JSON with every key that the owners write."""
    folder = "in-the-wild-images" if wild else "images1024x1024"
    files: dict[str, bytes | str] = {}
    records = {}
    for i, (picture, author, licence) in enumerate(zip(pictures, authors, licences, strict=True)):
        place = f"{i // 1000 * 1000:05d}/{i:05d}.png"
        files[f"{folder}/{place}"] = png(picture)
        files[f"thumbnails128x128/{place}"] = png(np.asarray(Image.fromarray(picture).resize((128, 128))))
        size = [picture.shape[1], picture.shape[0]]
        sums = {"file_size": 1, "file_md5": f"{i:032x}", "pixel_size": size, "pixel_md5": f"{i:032x}"}
        points = [[float(k), float(k)] for k in range(68)]
        records[str(i)] = {
            "category": "training",
            "metadata": {
                "photo_url": f"https://www.flickr.com/photos/{author}/{i}/", "photo_title": f"DSCF{i:04d}.JPG",
                "author": author, "country": "", "license": licence,
                "license_url": "https://creativecommons.org/licenses/by/2.0/", "date_uploaded": "2007-08-16",
                "date_crawled": "2018-10-10",
            },
            "image": {"file_url": "", "file_path": f"images1024x1024/{place}", **sums, "face_landmarks": points},
            "thumbnail": {"file_url": "", "file_path": f"thumbnails128x128/{place}", **sums},
            "in_the_wild": {
                "file_url": "", "file_path": f"in-the-wild-images/{place}", **sums, "face_rect": [0, 0, 9, 9],
                "face_landmarks": points, "face_quad": [[0.0, 0.0]] * 4,
            },
        }  # fmt: skip
    return write(root, {**files, "ffhq-dataset-v2.json": json.dumps(records)})


def imdb_struct(rows: Sequence[Mapping[str, object]], part: str) -> bytes:
    """``imdb.mat`` or ``wiki.mat``: a 1×1 struct of 1×N columns, text as cells, as MATLAB wrote it."""

    def cells(key: str) -> np.ndarray:
        found = np.zeros((1, len(rows)), dtype=object)
        for i, row in enumerate(rows):
            found[0, i] = row[key]
        return found

    def numbers(key: str, kind: type = np.float64) -> np.ndarray:
        return np.array([[row[key] for row in rows]], kind)

    columns: dict[str, np.ndarray] = {
        "dob": numbers("dob", np.int32), "photo_taken": numbers("photo_taken", np.uint16),
        "full_path": cells("full_path"),
        "gender": numbers("gender"), "name": cells("name"), "face_location": cells("face_location"),
        "face_score": numbers("face_score"), "second_face_score": numbers("second_face_score"),
    }  # fmt: skip
    if part == "imdb":
        columns |= {"celeb_names": cells("name"), "celeb_id": numbers("celeb_id")}
    packed = io.BytesIO()
    savemat(packed, {part: columns}, do_compression=True)
    return packed.getvalue()


def imdb_rows(count: int) -> list[dict[str, object]]:
    """Sure rows of as many pictures, by two people each."""
    return [
        {
            "dob": 700000, "photo_taken": 1999, "full_path": f"{i:02d}/nm{i // 2:07d}_rm{i}_1970-1-1_1999.jpg",
            "gender": float(i // 2 % 2), "name": f"Person {i // 2}",
            "face_location": np.array([[1.0, 1.0, 90.0, 90.0]]),
            "face_score": 3.5, "second_face_score": np.nan, "celeb_id": i // 2 + 1,
        }
        for i in range(count)
    ]  # fmt: skip


def imdb_wiki(
    root: Path,
    pictures: Pictures,
    rows: Sequence[Mapping[str, object]],
    part: str = "imdb",
    *,
    packed: bool = False,
) -> Path:
    """``imdb_crop`` with its .mat, as the owners' tar unpacks, or that tar."""
    files: dict[str, bytes | str] = {
        f"{part}_crop/{row['full_path']}": jpeg(p) for row, p in zip(rows, pictures, strict=False)
    }
    files[f"{part}_crop/{part}.mat"] = imdb_struct(rows, part)
    if packed:
        tar(root / f"{part}_crop.tar", files)
        return root
    return write(root, files)


def fitted_mat(pose: Sequence[float], points: np.ndarray, *, lp: bool) -> bytes:
    """A parameter file: AFLW2000-3D has 21 two-dimensional points and 68 of three, 300W-LP 68 two-dimensional ones."""
    body = {
        "Illum_Para": np.zeros((1, 10)), "Color_Para": np.ones((1, 7)), "Tex_Para": np.zeros((199, 1)),
        "Shape_Para": np.full((199, 1), 1e5), "Exp_Para": np.full((29, 1), 0.1), "roi": np.array([[1, 1, 450, 450]]),
        "Pose_Para": np.array([[*np.radians(pose), 100.0, 120.0, -60.0, 0.001]]),
    }  # fmt: skip
    if lp:
        body["pt2d"] = points.T
    else:
        body["pt2d"] = np.full((2, 21), -1.0)
        body["pt3d_68"] = np.concatenate([points.T, np.zeros((1, 68))])
    packed = io.BytesIO()
    savemat(packed, body)
    return packed.getvalue()


def aflw2000(
    root: Path, pictures: Pictures, poses: Sequence[Sequence[float]], points: Sequence[np.ndarray]
) -> Path:
    files: dict[str, bytes | str] = {}
    for i, (picture, pose, own) in enumerate(zip(pictures, poses, points, strict=True)):
        files[f"AFLW2000/image{i + 2:05d}.jpg"] = jpeg(picture)
        files[f"AFLW2000/image{i + 2:05d}.mat"] = fitted_mat(pose, own, lp=False)
    return write(root, files)


def lp300w(root: Path, pictures: Pictures, turns: int = 2) -> Path:
    """Each picture at several yaws, and mirrored; point files in folders of their own, which are no pictures."""
    points = np.zeros((68, 2))
    files: dict[str, bytes | str] = {"300W_LP/Code/Mex/readme.txt": "code"}
    for i, picture in enumerate(pictures):
        for turn in range(turns):
            for flip in ("", "_Flip"):
                own = picture[:, ::-1] if flip else picture
                name = f"HELEN{flip}/HELEN_{1000 + i}_1_{turn}"
                files[f"300W_LP/{name}.jpg"] = jpeg(np.ascontiguousarray(own))
                files[f"300W_LP/{name}.mat"] = fitted_mat((0.0, 15.0 * turn, 0.0), points, lp=True)
                files[f"300W_LP/landmarks/{name}_pts.mat"] = b"not read"
    return write(root, files)


def webdataset(
    root: Path, pictures: Pictures, labels: Sequence[Mapping[str, object]], per_shard: int = 2
) -> Path:
    """Shards as img2dataset writes them: picture, caption and JSON of a sample one after the other."""
    for start in range(0, len(pictures), per_shard):
        files: dict[str, bytes | str] = {}
        for i in range(start, min(start + per_shard, len(pictures))):
            files |= {
                f"{i:09d}.jpg": jpeg(pictures[i]),
                f"{i:09d}.txt": "a face",
                f"{i:09d}.json": json.dumps(dict(labels[i])),
            }
        tar(root / f"{start // per_shard:05d}.tar", files)
    return root


def hf_parquet(
    root: Path, pictures: Pictures, labels: Mapping[str, Sequence[object]], group: int = 2
) -> Path:
    """``data/train-00000-of-00001.parquet`` with the hub's image type: a struct of bytes and path."""
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = [{"bytes": jpeg(p), "path": f"{i}.jpg"} for i, p in enumerate(pictures)]
    table = pa.table(
        {"image": pa.array(images, kind), **{key: list(values) for key, values in labels.items()}}
    )
    path = root / "data" / "train-00000-of-00001.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=group)
    return root
