"""The store as Croissant 1.0 (JSON-LD): its files with hashes, and what a row and a pair consist of.

Vocabulary: http://mlcommons.org/croissant/1.0. Paths are relative to the file, so ``mlcroissant`` reads a store, or a
copy of it, where it lies. :func:`problems` checks the structure without that library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from flows.licences import store_verdict
from storage import index
from storage.commit import Commit
from storage.files import sha256_file, write_replace
from storage.generation import Generation, latest, pinned_commits
from storage.schema import META, Schema
from storage.store import Store

FILE = "croissant.json"
SPEC = "http://mlcommons.org/croissant/1.0"
_CR = (
    "citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty", "fileObject", "fileSet", "format",
    "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet", "references", "regex",
    "repeated", "replace", "samplingRate", "separator", "source", "subField", "transform",
)  # fmt: skip
CONTEXT: dict[str, Any] = {
    "@language": "en", "@vocab": "https://schema.org/", "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/", "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/", "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"}, "examples": {"@id": "cr:examples", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{name: f"cr:{name}" for name in _CR},
}  # fmt: skip


def write_croissant(store: Store) -> Path:
    """Write ``croissant.json`` for the latest generation of a store.

    Raises:
        StoreError: nothing is published.
    """
    target = store.root / FILE
    write_replace(target, json.dumps(describe(store), indent=1).encode() + b"\n")
    return target


def describe(store: Store) -> dict[str, Any]:
    """The metadata of the latest generation; without one, of the plan alone."""
    generation = latest(store.root)
    commits = pinned_commits(store, generation) if generation else {}
    found = store_verdict(store)
    # The last commit's end: the data's date, and the same however often this is written.
    ended = max((commit.ended for commit in commits.values()), default=0.0)
    name = store.root.absolute().name
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "@id": name,
        "name": name,
        "conformsTo": SPEC,
        "description": _description(store, generation),
        "version": f"{generation.number if generation else 0}.0.0",
        "datePublished": datetime.fromtimestamp(ended, UTC).strftime("%Y-%m-%d"),
        "license": found.line,
        "creditText": " ".join(found.attribution),
        "url": ".",
        "citeAs": (
            "RAFaRe: Learning Robust and Accurate Non-parametric 3D Face Reconstruction from Pseudo 2D&3D Pairs, "
            "AAAI 2023; pairs made by facepairs."
        ),
        "keywords": ["faces", "3-D reconstruction", "signed distance", "normals", "depth"],
        "isLiveDataset": False,
        "distribution": [*_files(store, generation, commits), *_sets(store.schema, commits)],
        "recordSet": [_index_set(store.schema), _plan_set(), _pair_set(store.schema)] if commits else [_plan_set()],
        "rai:personalSensitiveInformation": "Photographs of faces are the ground of every picture.",
    }  # fmt: skip


def _description(store: Store, generation: Generation | None) -> str:
    counts = generation.totals if generation else {"committed": 0, "planned": len(store.plan)}
    return (
        f"{counts['committed']} pseudo 2D-3D face pairs of {counts['planned']} planned: photographs whose face was "
        "replaced by a rendered one, so that picture, normals, depth and signed distances agree to the pixel. "
        f"Generation {generation.hash if generation else 'none'}, fingerprint {store.fingerprint}."
    )


def _files(
    store: Store, generation: Generation | None, commits: Mapping[int, Commit]
) -> Iterator[dict[str, Any]]:
    plan = store.description["plan"]["file"]
    yield _file("plan", plan["name"], plan["bytes"], plan["sha256"], "application/x-parquet")
    for name, entry in sorted(store.description["snapshot"].items()):
        kind = {".json": "application/json", ".parquet": "application/x-parquet"}
        yield _file(
            f"snapshot-{name}", entry["name"], entry["bytes"], entry["sha256"],
            kind.get(Path(name).suffix, "application/octet-stream"),
        )  # fmt: skip
    if generation is not None:
        path = store.root / "manifests" / generation.name
        yield _file(
            "generation", f"manifests/{path.name}", path.stat().st_size, sha256_file(path), "application/json"
        )
    for shard, commit in commits.items():
        yield _file(
            f"shard-{shard:06d}", commit.tar.name, commit.tar.bytes, commit.tar.sha256, "application/x-tar"
        )
        told = commit.index
        yield _file(f"index-{shard:06d}", told.name, told.bytes, told.sha256, "application/x-parquet")


def _file(ident: str, path: str, size: int, sha256: str, kind: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject", "@id": ident, "name": Path(path).name, "contentUrl": path,
        "contentSize": f"{size} B", "sha256": sha256, "encodingFormat": kind,
    }  # fmt: skip


def _sets(schema: Schema, commits: Mapping[int, Commit]) -> Iterator[dict[str, Any]]:
    if not commits:
        return
    # Every name, not a pattern: a pattern would find what dead attempts left, too.
    yield {
        "@type": "cr:FileSet", "@id": "indices", "name": "indices",
        "description": "One row per planned pair, committed or rejected with its reason.",
        "encodingFormat": "application/x-parquet", "includes": [commit.index.name for commit in commits.values()],
    }  # fmt: skip
    tars = [{"@id": f"shard-{shard:06d}"} for shard, commit in commits.items() if commit.committed]
    for name in schema.names:
        yield {
            "@type": "cr:FileSet", "@id": f"{name}-files", "name": f"{name}-files", "containedIn": tars,
            "encodingFormat": _mime(schema, name), "includes": f"*.{schema.extension(name)}",
        }  # fmt: skip


def _mime(schema: Schema, name: str) -> str:
    if name == META:
        return "application/json"
    return "application/octet-stream" if schema[name].encoding == "npy" else "image/png"


def _index_set(schema: Schema) -> dict[str, Any]:
    kept = ("key", "status", "reason", "stage", "detail")
    columns = [c for c in index.arrow_schema(schema) if c.name in kept or c.name.startswith("quality.")]
    fields = [_column("index", "indices", column, "fileSet") for column in columns]
    return {
        "@type": "cr:RecordSet", "@id": "index", "name": "index", "key": {"@id": "index/key"},
        "description": "What became of every planned pair.", "field": fields,
    }  # fmt: skip


def _plan_set() -> dict[str, Any]:
    from storage.plan import PLAN_COLUMNS

    fields = [_column("plan-rows", "plan", column, "fileObject") for column in PLAN_COLUMNS]
    return {
        "@type": "cr:RecordSet", "@id": "plan-rows", "name": "plan-rows", "key": {"@id": "plan-rows/key"},
        "description": "Every planned pair: which face, head, texture, seed and split.", "field": fields,
    }  # fmt: skip


def _column(record: str, source: str, column: pa.Field, kind: str) -> dict[str, Any]:
    if pa.types.is_floating(column.type):
        data = "sc:Float"
    else:
        data = "sc:Integer" if pa.types.is_integer(column.type) else "sc:Text"
    return {
        "@type": "cr:Field", "@id": f"{record}/{column.name}", "name": column.name, "dataType": data,
        "source": {kind: {"@id": source}, "extract": {"column": column.name}},
    }  # fmt: skip


def _pair_set(schema: Schema) -> dict[str, Any]:
    """One record set of the files of a pair; joined by the key in their names."""
    image = schema.fields[0].name
    names = [name for name in schema.names if name == META or schema[name].encoding != "npy"]
    first = image if image in names else names[0]
    fields: list[dict[str, Any]] = [
        {
            "@type": "cr:Field", "@id": "pairs/key", "name": "key", "dataType": "sc:Text",
            "source": {
                "fileSet": {"@id": f"{first}-files"}, "extract": {"fileProperty": "filename"},
                "transform": {"regex": r"^(\d{8})\..*$"},
            },
        },
        {
            "@type": "cr:Field", "@id": f"pairs/{first}", "name": first, "dataType": "sc:ImageObject",
            "description": f"{schema[first].unit}, frame {schema[first].frame}",
            "source": {"fileSet": {"@id": f"{first}-files"}, "extract": {"fileProperty": "content"}},
        },
    ]  # fmt: skip
    return {
        "@type": "cr:RecordSet", "@id": "pairs", "name": "pairs", "key": {"@id": "pairs/key"},
        "description": (
            "The picture of each committed pair. Its other files have the same key: "
            + ", ".join(f"KEY.{schema.extension(name)}" for name in schema.names if name != first)
        ),
        "field": fields,
    }  # fmt: skip


def problems(body: Mapping[str, Any], root: Path | None = None) -> list[str]:
    """What is wrong with a description, one sentence each; with ``root`` the files are compared, too."""
    found = [f"the dataset has no {name}" for name in _REQUIRED if not body.get(name)]
    idents: dict[str, str] = {}
    for node in _nodes(body):
        ident = node.get("@id")
        if not ident or ident in idents:
            found.append(f"{node.get('@type')} '{ident}' has no @id of its own")
            continue
        idents[ident] = node["@type"]
        found += [f"{ident} has no {name}" for name in _NEEDS[node["@type"]] if not node.get(name)]
    for node in _nodes(body):
        found += [
            f"{node['@id']} refers to '{ref}', which is not there"
            for ref in _references(node)
            if ref not in idents
        ]
    for file in body.get("distribution", ()) if root else ():
        assert root is not None
        if file["@type"] != "cr:FileObject":
            continue
        path = root / file["contentUrl"]
        if not path.is_file() or sha256_file(path) != file["sha256"]:
            found.append(f"{file['@id']}: {file['contentUrl']} is not the file that was described")
        elif file["encodingFormat"] == "application/x-parquet":
            found += _missing_columns(body, file, path)
    return found


_REQUIRED = (
    "@context",
    "name",
    "description",
    "license",
    "url",
    "datePublished",
    "conformsTo",
    "distribution",
    "recordSet",
)
_NEEDS = {
    "cr:FileObject": ("name", "contentUrl", "encodingFormat", "sha256"),
    "cr:FileSet": ("name", "includes", "encodingFormat"),
    "cr:RecordSet": ("name", "key", "field"),
    "cr:Field": ("name", "dataType", "source"),
}


def _nodes(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from body.get("distribution", ())
    for record in body.get("recordSet", ()):
        yield record
        yield from record.get("field", ())


def _references(node: Mapping[str, Any]) -> list[str]:
    source = node.get("source", {})
    refs: Sequence[Any] = [
        source.get("fileSet"),
        source.get("fileObject"),
        *node.get("containedIn", ()),
        node.get("key"),
    ]
    return [ref["@id"] for ref in refs if isinstance(ref, Mapping)]


def _missing_columns(body: Mapping[str, Any], file: Mapping[str, Any], path: Path) -> Iterator[str]:
    there = set(pq.read_schema(path).names)
    of_set = {"indices"} if file["@id"].startswith("index-") else set()
    for record in body["recordSet"]:
        for field in record["field"]:
            source = field["source"]
            ref = (source.get("fileObject") or source["fileSet"])["@id"]
            column = source["extract"].get("column")
            if (ref == file["@id"] or ref in of_set) and column and column not in there:
                yield f"{field['@id']}: {file['contentUrl']} has no column '{column}'"
