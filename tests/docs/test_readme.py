"""README.md: its length, its links, and the two commands that .ci/run takes from it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
MAX_LINES = 150


def shell_blocks() -> list[str]:
    return re.findall(r"^```sh\n(.*?)^```$", README.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def test_readme_is_short() -> None:
    assert len(README.read_text(encoding="utf-8").splitlines()) <= MAX_LINES


def test_two_commands_install_everything_and_run_the_tests() -> None:
    install, test = shell_blocks()
    assert len(install.splitlines()) == len(test.splitlines()) == 1
    assert "apt-get install" in install
    assert install.endswith(".venv/bin/gptool demo\n")
    assert test == ".venv/bin/pytest -n auto --dist loadfile\n"


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_to_files_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text(encoding="utf-8"))
    targets = [link.partition("#")[0] for link in links if not re.match(r"https?://|#", link)]
    assert [target for target in targets if not (ROOT / target).exists()] == []
