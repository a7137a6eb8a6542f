"""``facepairs export``: ask the licence gate, copy a generation, and put beside it what a stranger must know."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from assets.terms import Verdict
from flows.credits import credits_page
from flows.licences import CREDITS, LICENCES, clear, permissions, store_ledger
from flows.outputs import check_at_least, check_folder
from storage.diff import find_generation
from storage.errors import StoreError
from storage.export import Exported, check_place, export_pairs
from storage.export_forms import FORMS
from storage.files import write_replace
from storage.schema import META
from storage.store import Store

Tell = Callable[[int, int, str], None]
CARD = "README.md"
_LOAD = {
    "webdataset": """import webdataset

pairs = webdataset.WebDataset("{shards}", shardshuffle=False).decode("rgb8")
for pair in pairs:
    pair["__key__"], pair["image.png"], pair["meta.json"]""",
    "hf": """from datasets import load_dataset

pairs = load_dataset("{out}")
pairs["{split}"][0]["image"]""",
}


def export_store(
    root: Path,
    out: Path,
    form: str,
    *,
    fields: Sequence[str] = (),
    generation: str = "latest",
    rows: int = 500,
    despite: str = "",
    tell: Tell = lambda done, total, name: None,
) -> dict[str, Any]:
    """Export a store; see :func:`storage.export.export_pairs`.

    Raises:
        LicenceError: the ledger forbids that it leaves.
        StoreError: nothing published, an unknown field, or ``out`` holds something else.
    """
    store = Store.open(root)
    pinned = find_generation(store, generation)
    check_at_least(1, rows=rows)
    for name in fields:
        store.schema.extension(name)  # an unknown one is an error with the list of fields
    check_place(out)
    check_folder(out)
    if out.resolve().is_relative_to(store.root.resolve()):
        msg = f"--out {out} is in the store itself, which holds nothing else; choose a folder outside of {root}."
        raise StoreError(msg)
    # From here on the store may keep a permission: of an export that is made, not of one that was mistyped.
    allowed = clear(store, "export", target=f"{form}:{out}", despite=despite)
    ledger = store_ledger(store)
    credits_text = credits_page(store.root.absolute().name, ledger, allowed, permissions(store))
    beside = {
        LICENCES: json.dumps({"verdict": allowed.as_dict(), "ledger": ledger}, indent=1).encode(),
        CREDITS: credits_text.encode(),
    }
    made = export_pairs(
        store, out, FORMS[form], fields=fields, generation=pinned.name, rows=rows, beside=beside, tell=tell
    )
    card = dataset_card(
        store, made, form, out.name, allowed, fields or (*(f.name for f in store.schema.fields), META)
    )
    write_replace(out / CARD, card.encode())
    return {
        "out": str(out), "form": form, "generation": pinned.name, "pairs": made.pairs, "splits": dict(made.splits),
        "files": len(made.files), "bytes": made.bytes, "publish": allowed.publish, "commercial": allowed.commercial,
    }  # fmt: skip


def dataset_card(
    store: Store, made: Exported, form: str, name: str, allowed: Verdict, fields: Sequence[str]
) -> str:
    """``README.md``: what the Hub reads from its head, and what people read below."""
    split = next(iter(made.splits), "train")
    lines = [
        "---",
        f"pretty_name: {name}",
        "license: other",
        "license_name: see-licences",
        f"license_link: {CREDITS}",
    ]
    lines += ["task_categories:", "- image-to-3d", "- depth-estimation"]
    if form == "hf":
        lines += ["configs:", "- config_name: default", "  data_files:"]
        for one in made.splits:
            lines += [f"  - split: {one}", f"    path: data/{one}-*.parquet"]
    lines += ["---", "", f"# {name}", ""]
    lines += [
        "Pseudo 2D-3D face pairs: photographs whose face was replaced by a rendered one, so that picture and shape",
        "agree.",
        "", f"This store {allowed.line}", "",
        f"{made.pairs} pairs of generation `{made.generation}`, fingerprint `{store.fingerprint[:16]}`: "
        + ", ".join(f"{count} {one}" for one, count in made.splits.items()) + ".",
        "", f"What they were made from, and who must be named: [{CREDITS}]({CREDITS}).", "",
        "| field | array | unit | frame |", "|---|---|---|---|",
    ]  # fmt: skip
    for spec in store.schema.fields:
        if spec.name in fields:
            shape = ", ".join(str(store.schema.sizes.get(str(side), side)) for side in spec.shape)
            lines.append(f"| {spec.name} | {spec.dtype} ({shape}) | {spec.unit} | {spec.frame} |")
    if META in fields:
        lines.append("| meta | JSON | camera, identity, expression, light, sources, quality, plan row | |")
    if form == "hf" and any(spec.encoding in ("png16", "depth16") for spec in store.schema.fields):
        lines += [
            "", "Normals and depth are PNG of 16 bits a channel. Pillow decodes three channels to 8 bits; for all 16 "
            "take the bytes (`Image(decode=False)`) and `cv2.imdecode(…, cv2.IMREAD_UNCHANGED)`. Depth code c > 0 is "
            "z = (c - 1) / 32767 - 1, 0 is none.",
        ]  # fmt: skip
    shards = f"{split}/{split}-{{000000..{max(0, sum(f['split'] == split for f in made.files) - 1):06d}}}.tar"
    snippet = _LOAD[form].format(out=name, split=split, shards=shards)
    return "\n".join([*lines, "", "```python", snippet, "```", ""])
