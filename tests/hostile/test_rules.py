"""What no module of ours may do: unpickle, run text as code, call a shell, or listen to the network unasked."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows import dashboard, pages, server

ROOT = Path(__file__).parents[2]
FOLDERS = ("assets", "flows", "models", "storage", "tasks", "benchmarks", "docs")
FILES = sorted(
    path for name in FOLDERS for path in (ROOT / name).rglob("*.py") if "assets/data" not in str(path)
)
BANNED_MODULES = {
    "pickle",
    "cPickle",
    "_pickle",
    "dill",
    "cloudpickle",
    "joblib",
    "shelve",
    "marshal",
    "pty",
    "telnetlib",
}
NEVER = {
    "eval", "exec", "compile", "__import__", "os.system", "os.popen", "os.execv", "os.execvp", "os.spawnl", "os.spawnv",
    "subprocess.getoutput", "subprocess.getstatusoutput", "yaml.load", "yaml.full_load", "yaml.unsafe_load",
    "yaml.load_all", "np.loadtxt", "numpy.loadtxt", "shutil.unpack_archive", "torch.jit.load",
}  # fmt: skip
METHODS = {"extractall", "extract", "read_pickle", "to_pickle"}  # whatever they are called on
# Only the name of the error that torch raises for what it refuses.
ALLOWED = {("models/networks/bisenet.py", "pickle")}


def called(node: ast.Call) -> str:
    """``a.b.c`` of a call, or its bare name."""
    parts, at = [], node.func
    while isinstance(at, ast.Attribute):
        parts.append(at.attr)
        at = at.value
    return ".".join([at.id if isinstance(at, ast.Name) else "?", *parts[::-1]])


def broken(path: Path, tree: ast.AST) -> Iterator[str]:
    """Every line of a module that breaks a rule."""
    name = path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name
    for node in ast.walk(tree):
        imported: list[str] = []
        if isinstance(node, ast.Import):
            imported = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            imported = [node.module or ""]
        for module in imported:
            if module.split(".")[0] in BANNED_MODULES and (name, module) not in ALLOWED:
                yield f"{name}:{node.lineno} imports {module}"
        if not isinstance(node, ast.Call):
            continue
        call, given = called(node), {key.arg: key.value for key in node.keywords}

        def is_set(key: str, wanted: bool, given: dict[str | None, ast.expr] = given) -> bool:
            value = given.get(key)
            return isinstance(value, ast.Constant) and value.value is wanted

        if call in NEVER or call.rpartition(".")[2] in METHODS:
            yield f"{name}:{node.lineno} calls {call}"
        if call in ("np.load", "numpy.load") and not is_set("allow_pickle", False):
            yield f"{name}:{node.lineno} {call} without allow_pickle=False"
        if call.endswith(("read_array", "write_array")) and not is_set("allow_pickle", False):
            yield f"{name}:{node.lineno} {call} without allow_pickle=False"
        if call == "torch.load" and not is_set("weights_only", True):
            yield f"{name}:{node.lineno} torch.load without weights_only=True"
        if "shell" in given and not is_set("shell", False):
            yield f"{name}:{node.lineno} {call} with a shell"
        if (
            call.startswith("subprocess.")
            and node.args
            and isinstance(node.args[0], ast.JoinedStr | ast.Constant)
        ):
            yield f"{name}:{node.lineno} {call} with a string for a command"
        if call.endswith("Environment") and "jinja2" in call and not is_set("autoescape", True):
            yield f"{name}:{node.lineno} {call} without autoescape=True"


def test_no_module_unpickles_evaluates_or_calls_a_shell():
    assert len(FILES) > 200
    found = [line for path in FILES for line in broken(path, ast.parse(path.read_text(encoding="utf-8")))]
    assert found == []


@pytest.mark.parametrize(
    "text",
    [
        "import pickle", "from dill import loads", "eval('1')", "exec(code)", "import os\nos.system('ls')",
        "np.load(path)", "np.load(path, allow_pickle=True)", "torch.load(path)", "torch.load(path, weights_only=False)",
        "subprocess.run('ls', check=True)", "subprocess.run(f'ls {path}')", "subprocess.run(['ls'], shell=True)",
        "yaml.load(text)", "tarfile.open(path).extractall()", "jinja2.Environment()", "pd.read_pickle(path)",
    ],
)  # fmt: skip
def test_the_rules_find_what_they_are_for(text):
    assert list(broken(Path("x.py"), ast.parse(text)))


@pytest.mark.parametrize(
    ("function", "name"),
    [(dashboard.dashboard, "host"), (server.start, "host"), (pages.serving, "host")],
    ids=["dashboard", "server", "pages"],
)
def test_what_listens_listens_on_loopback_unless_told_otherwise(function, name):
    parameter = inspect.signature(function).parameters.get(name)
    assert parameter is not None
    assert parameter.default in ("127.0.0.1", inspect.Parameter.empty), parameter


def test_no_module_binds_to_every_interface():
    for path in FILES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            # Addresses are compared with, but never a default or an argument.
            if isinstance(node, ast.Call):
                given = [*node.args, *(key.value for key in node.keywords)]
                assert not any(isinstance(a, ast.Constant) and a.value in ("0.0.0.0", "::") for a in given), (
                    path
                )
