"""What the package says of itself is said alike in all places: version, licence, keywords."""

import re
import tomllib

import yaml
from killed import ROOT, ended

import mensa_sim

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
CITATION = yaml.safe_load((ROOT / ".github" / "CITATION.cff").read_text(encoding="utf-8"))


def test_the_command_says_its_version_and_nothing_else() -> None:
    assert ended("-m", "mensa_sim", "--version") == (0, f"mensa-sim {mensa_sim.__version__}\n", "")


def test_the_version_stands_in_the_package_and_the_citation_and_the_changelog_name_it() -> None:
    assert PROJECT["dynamic"] == ["version"]
    assert CITATION["version"] == mensa_sim.__version__
    newest = re.search(r"^## (\S+)", (ROOT / ".github" / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert newest is not None
    assert newest[1] == mensa_sim.__version__


def test_the_licence_that_the_wheel_carries_is_the_one_declared() -> None:
    (file,) = PROJECT["license-files"]
    text = " ".join((ROOT / file).read_text(encoding="utf-8").split())
    assert PROJECT["license"] == CITATION["license"] == "Apache-2.0"
    assert text.startswith("Apache License Version 2.0, January 2004")
    assert "END OF TERMS AND CONDITIONS" in text


def test_the_citation_has_what_the_format_requires_and_the_packages_keywords() -> None:
    assert {"cff-version", "message", "title", "authors"} <= CITATION.keys()
    assert CITATION["keywords"] == PROJECT["keywords"] == sorted(PROJECT["keywords"])
    assert [each["url"] for each in CITATION["references"]] == [PROJECT["urls"]["Paper"]]
