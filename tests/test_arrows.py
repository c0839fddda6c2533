"""The arrows between the packages, and what starting the API costs."""

import ast
import re
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "app", "cli", "core", "evaluation", "importing", "jobs", "models", "pictures", "tasks", "training", "workers",
)  # fmt: skip
KEY = re.compile(r"(easel|rq):")


def test_imports_follow_the_arrows():
    done = subprocess.run([Path(sys.executable).parent / "lint-imports"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_api_starts_without_torch_in_under_110_mb():
    code = """
import re, sys
from app.main import create_app
create_app().openapi()
assert "torch" not in sys.modules
print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 110 * 1024


def modules(*packages):
    """Each module's path and syntax tree."""
    for package in packages:
        for path in (ROOT / package).rglob("*.py"):
            yield path.relative_to(ROOT), ast.parse(path.read_text())


def texts(tree):
    """The string literals of a module that are not docstrings or other statements of their own, with their lines."""
    alone = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in alone:
            yield node.lineno, node.value


def test_keys_of_redis_stand_in_the_contract_alone():
    """Of the packages that may talk to Redis; the others cannot import it."""
    talking = modules("app", "cli", "core", "workers")
    found = [f"{path}:{line}" for path, tree in talking for line, text in texts(tree) if KEY.match(text)]
    assert found == []


def test_connections_to_redis_are_made_in_one_place():
    made = [
        f"{path}:{node.lineno}"
        for path, tree in modules("app", "cli", "core", "workers", "deploy", "benchmarks")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and re.search(r"\b(Redis|Sentinel)(\.from_url)?$", ast.unparse(node.func))
        if not ast.unparse(node.func).startswith("Embedded")
    ]
    assert {place.partition(":")[0] for place in made} == {"core/redis_connections.py"}


def test_a_public_class_name_means_one_thing():
    """Networks of the models are theirs: a discriminator is one in each file of `models/nn`."""
    places = defaultdict(set)
    for path, tree in modules(*PACKAGES):
        if path.parts[0] != "models":
            for node in tree.body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    places[node.name].add(str(path))
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
