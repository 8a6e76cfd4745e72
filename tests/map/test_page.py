"""The files of the page: what of them needs no document, run by Node; that they keep to
their order, and that what they and Python tell each other is declared.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import REPO
from map_browser import data_of

from sound_eval.map.page import PAGE, SCRIPTS

TYPES = (PAGE / "types.d.ts").read_text(encoding="utf-8")
LONGEST_LINE = 120


def source(name):
    """The text of a script of the page."""
    return (PAGE / f"{name}.js").read_text(encoding="utf-8")


def node():
    """Node, of the virtual environment or of the system.

    Without one the test is skipped, or fails where CI is set and a skip would hide it.
    """
    own = Path(sys.executable).with_name("node")
    found = str(own) if own.is_file() else shutil.which("node")
    if found is None and not os.environ.get("CI"):
        pytest.skip("no node; requirements-dev.txt brings one")
    assert found, "no node"
    return found


def test_units_of_the_page():
    files = sorted(map(str, (REPO / "tests" / "map" / "page").glob("*.test.js")))
    assert len(files) > 4
    done = subprocess.run(
        [node(), "--test", *files], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_page_holds_every_script_that_is_there():
    assert sorted(SCRIPTS) == sorted(path.stem for path in PAGE.glob("*.js"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_checked_and_has_lines_that_a_person_can_read(name):
    lines = source(name).splitlines()
    assert lines[0] == "// @ts-check"
    assert max(map(len, lines)) <= LONGEST_LINE


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_uses_only_parts_of_scripts_before_it(name):
    text = source(name)
    taken = re.findall(r"const \{([^}]*)\} =\s+soundEval;", text)
    used = set(re.findall(r"soundEval\.(\w+)", text)) | set(re.findall(r"\w+", " ".join(taken)))
    before = SCRIPTS[: SCRIPTS.index(name) + 1]
    assert (used & set(SCRIPTS)) <= set(before)


def declared(interface):
    """Names of the fields of an interface in types.d.ts."""
    body = re.search(rf"^interface {interface} \{{\n(.*?)^\}}", TYPES, re.M | re.S)[1]
    return re.findall(r'^  "?([\w-]+)"?\??:', body, re.M)


def given(map_dir, name):
    """What a data file gives to the page."""
    text = (data_of(map_dir) / f"{name}.js").read_text(encoding="ascii")
    return json.loads(text.split(", ", 1)[1].rsplit(");", 1)[0])


@pytest.mark.parametrize(
    ("name", "interface"), [("songs", "SongsData"), ("vectors", "VectorsData")]
)
def test_all_that_python_gives_to_the_page_is_declared(map_dir, name, interface):
    assert sorted(given(map_dir, name)) == sorted(declared(interface))


def test_columns_and_clusters_are_as_declared(map_dir):
    songs = given(map_dir, "songs")
    kinds = {"text": "EncodedTexts", "number": "EncodedNumbers"}
    assert {column["kind"] for column in songs["columns"]} == set(kinds)
    for column in songs["columns"]:
        assert sorted(column) == sorted(declared(kinds[column["kind"]]))
    assert sorted(songs["clusters"][0]) == sorted(declared("Cluster"))
    assert sorted(songs["positions"]) == sorted(declared("EncodedArray"))


def test_elements_that_scripts_ask_for_are_on_the_page():
    ids = re.findall(r' id="([\w-]+)"', (PAGE / "index.html").read_text(encoding="utf-8"))
    assert len(ids) == len(set(ids))
    elements = declared("Elements")
    assert len(elements) > 30 and set(elements) <= set(ids)
