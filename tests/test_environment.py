"""The lists of dependencies agree, and name no address."""

import re
import tomllib
from importlib.metadata import version

import pytest
import yaml

from innae_utils import settings

PYPROJECT = tomllib.loads((settings.PROJECT / "pyproject.toml").read_text())
DEPENDENCIES = PYPROJECT["project"]["dependencies"] + PYPROJECT["project"]["optional-dependencies"]["test"]
CONSTRAINTS = [line for line in (settings.PROJECT / "constraints.txt").read_text().splitlines() if line[:1] != "#"]


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def split(requirement):
    name, range_ = re.match(r"([A-Za-z0-9_.-]+?)\s*([<>=!~].*)?$", requirement).groups()
    return normal(name), (range_ or "").replace(" ", "")


def test_conda_and_pip_ask_for_the_same():
    conda = yaml.safe_load((settings.PROJECT / "environment.yml").read_text())["dependencies"]
    listed, pip = [entry for entry in conda if isinstance(entry, str)], []
    for entry in conda:
        if isinstance(entry, dict):
            pip = [requirement for requirement in entry["pip"] if requirement != "-e ."]
    names = {"pytorch": "torch", "snakemake-minimal": "snakemake"}
    theirs = dict(split(requirement) for requirement in listed + pip)
    theirs = {names.get(name, name): range_ for name, range_ in theirs.items()}
    python = theirs.pop("python")
    theirs.pop("pip")
    assert theirs == dict(map(split, DEPENDENCIES))
    assert python == PYPROJECT["project"]["requires-python"]


def test_every_conda_dependency_says_what_it_is_for():
    lines = (settings.PROJECT / "environment.yml").read_text().split("dependencies:")[1].splitlines()
    for line in lines:
        if line.strip().startswith("- "):
            assert re.search(r"#\s*\w+", line), f"no comment: {line}"


def test_constraints_pin_every_dependency_and_hold_no_address():
    pinned = dict(split(line) for line in CONSTRAINTS)
    for name, _ in map(split, DEPENDENCIES):
        assert pinned[name].startswith("=="), name
    assert not [line for line in CONSTRAINTS if "://" in line or "@" in line or line.startswith("-")]


@pytest.mark.parametrize("requirement", DEPENDENCIES)
def test_the_pins_lie_within_the_ranges(requirement):
    from packaging.requirements import Requirement

    asked = Requirement(requirement)
    pinned = dict(split(line) for line in CONSTRAINTS)[normal(asked.name)].removeprefix("==")
    assert asked.specifier.contains(pinned)
    assert asked.specifier.contains(version(asked.name))
