"""What is installed is locked: an exact release of everything, and the hashes of its files."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
EXTRAS = PROJECT["project"]["optional-dependencies"]
LOCKS = {
    "runtime": (),
    "image": ("store", "traces"),
    "dev": ("dev", "c2pa", "client", "mcp", "metrics", "store", "traces"),
    "bench": ("bench",),
}
"""The files in requirements/, and the extras that each has beside what Easel always needs."""

CUDA = re.compile("nvidia-|cuda-|triton$")


def locked(name: str) -> list[Requirement]:
    """The lines of a lock without their hashes."""
    lines = (ROOT / f"requirements/{name}.txt").read_text().replace("\\\n", " ").splitlines()
    return [Requirement(line.split("--hash")[0]) for line in lines if not line.startswith("#")]


def release(requirement: Requirement) -> str:
    """The one release that a locked requirement allows."""
    (only,) = requirement.specifier
    assert only.operator == "=="
    return only.version


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_holds_what_is_asked_for_in_the_ranges_that_are_asked_for(name):
    asked = [*PROJECT["build-system"]["requires"], *PROJECT["project"]["dependencies"]]
    asked += [each for extra in LOCKS[name] for each in EXTRAS[extra]]
    found = {canonicalize_name(each.name): release(each) for each in (*locked("torch"), *locked(name))}
    for requirement in map(Requirement, asked):
        if requirement.name != PROJECT["project"]["name"]:
            assert requirement.specifier.contains(found[canonicalize_name(requirement.name)]), requirement


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_release_is_exact_and_known_by_its_hashes_alone(name):
    text = (ROOT / f"requirements/{name}.txt").read_text()
    lines = [line for line in text.replace("\\\n", " ").splitlines() if not line.startswith("#")]
    for line in lines:
        assert re.fullmatch(r"[a-z0-9-]+==[^\s;]+( ;[^-]+?)?( +--hash=sha256:[0-9a-f]{64})+", line), line
    assert not [each.name for each in locked(name) if each.name == "torch" or CUDA.match(each.name)]


def test_what_two_locks_hold_is_the_same_release():
    held = [{(each.name, str(each.marker)): release(each) for each in locked(name)} for name in LOCKS]
    for one in held:
        for other in held:
            assert {each: one[each] for each in one.keys() & other.keys()}.items() <= other.items()


def test_torch_needs_what_the_lock_was_told():
    (told,) = (each["requires-dist"] for each in PROJECT["tool"]["uv"]["dependency-metadata"])
    needed = [Requirement(each) for each in requires("torch")]
    plain = {str(each) for each in needed if "extra" not in str(each.marker) and not CUDA.match(each.name)}
    assert plain == {str(Requirement(each)) for each in told}


def test_only_files_in_requirements_pin_torch():
    for file in ("pyproject.toml", "Makefile", "Dockerfile", "docker-compose.yml", "docker-compose.gpu.yml"):
        assert not re.search(r"torch={1,2}\d", (ROOT / file).read_text()), file
