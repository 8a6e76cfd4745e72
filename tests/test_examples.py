"""The commands that --help, README and docs show, and those that come next, typed as they
stand.

Under a heading `example, on your own files:` a help text may show what the other
examples do not make; all else is run, in a copy of the checkout whose pieces of music,
epochs and demo are shorter.
"""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from map_browser import chromium

REPO = Path(__file__).resolve().parent.parent
FOLDERS = (".", "process_results", "static_web_viewer", "tools")
SCRIPTS = sorted(
    str(path.relative_to(REPO))
    for folder in FOLDERS
    for path in (REPO / folder).glob("*.py")
    if "script_parser(" in path.read_text(encoding="utf-8")
)
SETS_UP = "tools/install_packages.py"  # changes the environment that the tests run in
IN_ORDER = (
    "make_example_music.py",
    "spectrify_all.py",
    "spectrogram_doc2vec.py",
    "calc_all_vecs.py",
)
NEEDS_CHROMIUM = "tools/map_pictures.py"
MADE_BY_EXAMPLES = (
    "example_input",
    "example_vectors",
    "example_outs",
    "example_map",
    "example_results",
)
NOT_COPIED = (".venv", ".git", "demo", "bench_out", ".*_cache", "__pycache__", *MADE_BY_EXAMPLES)
SHORTER = (
    ("make_example_music.py", "default=25.0,", "default=6.0,"),
    ("configs/small_train.yaml", "TRAIN_STEPS_PER_SAVE: 500000 ", "TRAIN_STEPS_PER_SAVE: 48000 "),
    ("tools/demo_work.py", '"--max-minutes", minutes', '"--epochs", 1'),
)
PLACEHOLDERS = {
    "RUN_DIR": "example_outs",
    "AUDIO_DIR": "example_input",
    "METADATA.csv": "example_input/labels.csv",
    "MAP_DIR": "example_map",
    "vector_at_X": "vector_at_$(cat example_outs/epoc_num.txt)",
}
MAKES_EXAMPLES = re.compile(r"source |SEARCH=|.*example_")  # lines of README and docs to type


class Checkout:
    """A copy of the checkout with an environment to activate; each command is run once."""

    def __init__(self, folder):
        self.folder = folder
        self.done = {}  # words of a command -> what it printed
        self.settings = []
        shutil.copytree(REPO, folder, ignore=shutil.ignore_patterns(*NOT_COPIED))
        for name, long, short in SHORTER:
            text = (folder / name).read_text(encoding="utf-8")
            assert text.count(long) == 1
            (folder / name).write_text(text.replace(long, short), encoding="utf-8")
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        (programs / "python").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} "$@"\n')
        (programs / "python").chmod(0o755)
        (programs / "activate").write_text(f"PATH={shlex.quote(str(programs))}:$PATH\n")
        for name in ("installed", "installed-dev"):
            (folder / ".venv" / name).touch()

    def type(self, command):
        """Type a command, once however it is spelled; returns what it printed on stdout."""
        words = tuple(words_of(command))
        if words not in self.done:
            self.done[words] = self.run(command)
        return self.done[words]

    def run(self, command):
        """Run a command in bash; a training without an end gets Ctrl-C after a save."""
        # the length that is the default, which is shorter here
        command = command.replace("--seconds 25 ", "--seconds 6 ")
        typed = "\n".join(["source .venv/bin/activate", *self.settings, command])
        before = self.epoch(command)
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
        process = subprocess.Popen(
            ["bash", "-ec", typed], cwd=self.folder, start_new_session=True, **pipes
        )
        if trains_for_ever(command):
            wait_for(lambda: self.epoch(command) > before or process.poll() is not None)
            os.killpg(process.pid, signal.SIGINT)
        output, messages = process.communicate(timeout=300)
        assert process.returncode == 0, f"{command}\n{output}\n{messages}"
        return output

    def epoch(self, command):
        """The last epoch of the run folder that a training writes."""
        words = [word for word in words_of(command) if not word.startswith("--config=")]
        path = self.folder / words[-1] / "epoc_num.txt"
        return int(path.read_text()) if path.is_file() else 0


def words_of(command):
    """The words of a command, with what may be spelled in several ways spelled in one."""
    program, *arguments = shlex.split(command, comments=True)
    return [Path(program).name, *(word.rstrip("/") for word in arguments)]


def trains_for_ever(command):
    return (
        "spectrogram_doc2vec.py" in command
        and "--epochs" not in command
        and "--max-minutes" not in command
    )


def wait_for(condition, seconds=240):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.2)


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    return Checkout(tmp_path_factory.mktemp("checkout") / "sound-eval")


@pytest.fixture(scope="module")
def help_of(run_script):
    return lambda script: run_script(script, "--help").stdout


def commands_of(text):
    """The commands of an epilog under a heading `example:`, joined where they go on."""
    epilog = re.search(r"^examples?:\n.*", text, re.M | re.S)
    return (
        re.findall(r"^ +((?:python|make) .*)$", epilog[0].replace("\\\n", " "), re.M)
        if epilog
        else []
    )


@pytest.fixture(scope="module")
def type_examples(checkout, help_of):
    """Types the examples of a script, after those that make what it reads; what they printed."""

    def type_them(script):
        before = IN_ORDER[: IN_ORDER.index(script)] if script in IN_ORDER else IN_ORDER
        for name in before:
            for command in commands_of(help_of(name)):
                checkout.type(command)
        return {command: checkout.type(command) for command in commands_of(help_of(script))}

    return type_them


def test_scripts_are_found():
    assert set(SCRIPTS) >= {
        *IN_ORDER,
        NEEDS_CHROMIUM,
        SETS_UP,
        "tools/demo.py",
        "process_results/similar_songs.py",
    }


@pytest.mark.parametrize("script", [*IN_ORDER, *sorted({*SCRIPTS} - {*IN_ORDER, SETS_UP})])
def test_examples_of_help_work(script, type_examples, help_of):
    if script == NEEDS_CHROMIUM:
        chromium()
    printed = type_examples(script)
    assert printed or "on your own files:" in help_of(script)


def commands_on_examples(document):
    """Indented lines that work on the example music, without what stands behind them."""
    lines = re.findall(r"^    (\S.*)$", document.read_text(encoding="utf-8"), re.M)
    return [
        re.sub(r"\s+# .*", "", line)
        for line in lines
        if MAKES_EXAMPLES.match(line) and "~" not in line and not line.startswith("tensorboard")
    ]


DOCUMENTS = {
    path.stem: commands
    for path in (REPO / "README.md", *sorted((REPO / "docs").glob("*.md")))
    if (commands := commands_on_examples(path))
}


def test_documents_show_commands():
    assert {*DOCUMENTS} >= {"README", "preprocessing", "training", "map", "evaluation", "search"}
    assert sum(map(len, DOCUMENTS.values())) > 20


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_of_documents_work(document, checkout, type_examples):
    type_examples("process_results/vecwise_regress.py")
    for line in DOCUMENTS[document]:
        if re.match(r"[A-Z]+=", line):
            checkout.settings.append(line)
        else:
            checkout.type(line)


@pytest.mark.parametrize(
    "script",
    [*IN_ORDER, *sorted({*SCRIPTS} - {*IN_ORDER, SETS_UP, NEEDS_CHROMIUM, "tools/demo.py"})],
)
def test_what_comes_next_works(script, checkout, type_examples):
    for printed in type_examples(script).values():
        for command in re.findall(r"^next: (.*)$", printed, re.M):
            for name, value in PLACEHOLDERS.items():
                command = command.replace(name, value)
            if command.startswith("xdg-open "):
                assert (checkout.folder / command.removeprefix("xdg-open ")).is_file()
            else:
                checkout.type(command)
