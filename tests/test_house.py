"""The house rules that can be read off the files:
imports, help texts, what the documents and configs promise.
"""

import ast
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import xml.etree.ElementTree as ElementTree
from functools import cache
from pathlib import Path

import pytest
import yaml

from sound_eval.cli import print_next
from sound_eval.config import FIELDS, LEGACY_KEYS, read_config

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

REPO = Path(__file__).resolve().parent.parent
PACKAGE = REPO / "sound_eval"
MODULES = sorted(
    str(path.relative_to(PACKAGE).with_suffix(""))
    for path in PACKAGE.rglob("*.py")
    if path.stem != "__init__"
)
WITH_TENSORFLOW = {"model/network", "model/devices", "model/training", "model/board"}
MOST_IN_A_ROOM = 12
FOLDERS = (".", "process_results", "static_web_viewer", "tools", "benchmarks")
SOURCES = sorted(
    [
        *PACKAGE.rglob("*.py"),
        *(path for folder in (*FOLDERS, "example_music") for path in (REPO / folder).glob("*.py")),
    ]
)
SCRIPTS = sorted(
    str(path.relative_to(REPO))
    for path in SOURCES
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)
USER_SCRIPTS = [name for name in SCRIPTS if not name.startswith("benchmarks")]
INSTALLER = "tools/install_packages.py"  # works before there is anything but Python
CONTRACT = {
    "spectrify_all.py",
    "spectrogram_doc2vec.py",
    "calc_all_vecs.py",
    "static_web_viewer/display_vector_data.py",
    "process_results/logistic_regress.py",
    "process_results/sphere_kmeans.py",
}
DOCUMENTS = sorted(
    str(path.relative_to(REPO)) for path in (*REPO.glob("*.md"), *(REPO / "docs").glob("*.md"))
)
USER_DOCUMENTS = [name for name in DOCUMENTS if name not in ("CONTRIBUTING.md", "CHANGELOG.md")]
TEXTS = {name: (REPO / name).read_text(encoding="utf-8") for name in DOCUMENTS}
MOST_LINES_OF_README = 150
MOST_COLUMNS = 100


@cache
def tree_of(path):
    """The syntax tree of a file of the checkout."""
    return ast.parse((REPO / path).read_text(encoding="utf-8"))


def calls(path, name):
    """The calls in a file of a function or method of this name."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name:
            yield node


def keywords_of(call):
    """Name -> source of the keyword arguments of a call."""
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


@cache
def imports(path):
    """(dotted name, names taken from it) for every import in a file, inside functions too."""
    return list(walk_imports(path))


def walk_imports(path):
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, ()) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module, tuple(alias.name for alias in node.names)


def package_imports(path):
    """The modules of sound_eval that a file imports, as `room/module`."""
    for module, names in imports(path):
        if module.split(".")[0] == "sound_eval":
            inside = module.split(".")[1:]
            here = "/".join(inside)
            yield from [here] if here in MODULES else ["/".join([*inside, name]) for name in names]


def order_of_modules():
    """The list in CONTRIBUTING.md, first to last, as `room/module`."""
    block = re.search(
        r"```rooms\n(.*?)```", (REPO / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.S
    )
    room = None
    for line in block[1].splitlines():
        name = line.split()[0]
        if not line.startswith(" "):
            room = "" if name == "sound_eval/" else name
        else:
            yield room + name


# ---- imports ----


def test_contributing_lists_every_module_once():
    assert sorted(order_of_modules()) == MODULES


def test_contributing_names_only_modules_that_exist():
    rooms = {module.partition("/")[0] for module in MODULES if "/" in module}
    named = re.findall(r"`(\w+)/(\w+)`", TEXTS["CONTRIBUTING.md"])
    modules = {f"{room}/{module}" for room, module in named if room in rooms}
    assert len(modules) > 2
    assert modules <= {*MODULES}


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_modules_above_it(module):
    order = list(order_of_modules())
    assert set(package_imports(PACKAGE / f"{module}.py")) <= set(order[: order.index(module)])


def test_a_room_holds_what_one_look_takes_in():
    rooms = [module.rpartition("/")[0] for module in MODULES]
    assert not {room: rooms.count(room) for room in rooms if rooms.count(room) > MOST_IN_A_ROOM}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_only_the_trainer_imports_tensorflow(path):
    name = str(path.relative_to(REPO).with_suffix(""))
    if name.removeprefix("sound_eval/") in WITH_TENSORFLOW or name.startswith("benchmarks/"):
        return  # a benchmark may hold ours against TensorFlow's own
    assert not {name for name, _ in imports(path) if name.split(".")[0] in ("tensorflow", "keras")}


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(REPO)))
def test_nothing_imports_a_script(path):
    imported = {
        name
        for module, names in imports(path)
        for name in (module, *(f"{module}.{name}" for name in names))
    }
    beside = {Path(name).stem for name in SCRIPTS if (REPO / name).parent == path.parent}
    scripts = beside | {name.removesuffix(".py").replace("/", ".") for name in SCRIPTS}
    assert not imported & scripts


def test_packages_are_empty_at_the_top():
    tops = sorted(PACKAGE.rglob("__init__.py"))
    assert len(tops) > 5
    assert not [path for path in tops if path.read_text()]


def third_party(paths):
    """Top-level packages that the files import and that are neither Python's nor
    the project's own.
    """
    own = (
        {"sound_eval", "example_music", "conftest"}
        | {path.stem for path in SOURCES}
        | {path.stem for path in (REPO / "tests").rglob("*.py")}
    )
    roots = {name.split(".")[0] for path in paths for name, _ in imports(path)}
    return roots - own - sys.stdlib_module_names


def normal(distribution):
    """The name of a distribution as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def packages_of_project(*extras):
    """The distributions that pyproject.toml names, for itself and under the extras; normalised."""
    project = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lists = [project["dependencies"], *(project["optional-dependencies"][name] for name in extras)]
    return {normal(re.match(r"[\w-]+", line)[0]) for lines in lists for line in lines}


def test_the_project_names_every_package_that_is_imported():
    distributions = importlib.metadata.packages_distributions()
    wanted = third_party([*SOURCES, *(REPO / "tests").rglob("*.py")])
    assert {"numpy", "yaml", "pytest"} <= wanted
    named = packages_of_project("cpu", "parquet", "search", "dask", "dev")
    assert not {
        root
        for root in wanted
        if not {normal(name) for name in distributions.get(root, [root])} & named
    }


@pytest.mark.parametrize("path", sorted(REPO.glob("requirements*.txt")), ids=lambda path: path.name)
def test_lists_of_requirements_only_refer_to_the_project(path):
    extras = re.fullmatch(r"-e \.\[([\w,]+)\]\n", path.read_text())[1].split(",")
    assert packages_of_project(*extras) > packages_of_project()


def test_the_package_is_found_where_it_is_linked(tmp_path):
    """`pip install -e .` gives every room from any folder; its packages are those of the tests."""
    copy = tmp_path / "a checkout"
    skipped = shutil.ignore_patterns("__pycache__", "*.egg-info")
    shutil.copytree(PACKAGE, copy / "sound_eval", ignore=skipped)
    shutil.copy(REPO / "pyproject.toml", copy)
    venv.create(tmp_path / "venv", symlinks=True)
    python = tmp_path / "venv" / "bin" / "python"
    options = ["--no-deps", "--no-build-isolation", "--quiet", "--prefix", tmp_path / "venv"]
    command = [sys.executable, "-m", "pip", "install", *options, "-e", copy]
    subprocess.run(list(map(str, command)), check=True, timeout=120)
    rooms = ["sound_eval.cli", "sound_eval.files.trees", "sound_eval.log_mel.spectrify"]
    code = f"import {', '.join(rooms)} as last; print(last.__file__)"
    environment = os.environ | {"PYTHONPATH": sysconfig.get_path("purelib")}
    done = subprocess.run(
        [python, "-c", code], cwd="/", env=environment, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()) == copy / "sound_eval" / "log_mel" / "spectrify.py"


def test_arrays_are_read_without_pickle():
    readers = {
        (path.name, call.lineno): keywords_of(call)
        for path in SOURCES
        for call in calls(path, "load")
        if ast.unparse(call.func) in ("np.load", "numpy.load")
    }
    assert readers
    # a memory map cannot be unpickled
    assert not {
        place
        for place, keywords in readers.items()
        if keywords.get("allow_pickle") != "False" and "mmap_mode" not in keywords
    }


# ---- scripts ----


@pytest.fixture(scope="session")
def help_text():
    """--help of a script, run from another directory, with the modules that it loaded
    on the way; each script once.
    """
    texts = {}
    probe = (
        "import runpy, sys\ntry: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "finally: print('LOADED', *sys.modules)"
    )

    def get(name):
        if name not in texts:
            code = (
                f"import sys; sys.argv = [{str(REPO / name)!r}, '--help']; "
                f"sys.path.insert(0, {str((REPO / name).parent)!r})\n{probe}"
            )
            done = subprocess.run(
                [sys.executable, "-c", code], cwd="/", capture_output=True, text=True, timeout=60
            )
            assert done.returncode == 0, done.stderr
            texts[name] = done.stdout.split("LOADED ")
        return texts[name]

    return get


def test_the_commands_of_the_contract_are_there():
    assert set(SCRIPTS) >= CONTRACT


@pytest.mark.parametrize("name", SCRIPTS)
def test_help_has_an_example_and_loads_no_tensorflow(name, help_text):
    text, loaded = help_text(name)
    assert re.search(rf"example[^\n]*:\s+[^\n]*python {re.escape(name)} ", text), text
    assert "tensorflow" not in loaded.split()


def options_in(text):
    """Long options that a text names."""
    return set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_-]*", text))


@pytest.mark.parametrize("name", USER_SCRIPTS)
def test_documents_name_every_option(name, help_text):
    options = options_in(re.split(r"^examples?\b.*:$", help_text(name)[0], flags=re.M)[0])
    documented = {option for page in USER_DOCUMENTS for option in options_in(TEXTS[page])}
    assert "--help" in options
    assert options - documented <= {"--help"}


@pytest.mark.parametrize(
    "name", sorted({*USER_SCRIPTS} - {"make_example_music.py"})
)  # whose only folder is made where it is missing
def test_a_missing_folder_is_one_line_and_no_traceback(name, help_text, run_script, tmp_path):
    positional = help_text(name)[0].split("positional arguments:")[-1].split("options:")[0]
    n_arguments = len(re.findall(r"^  \S+", positional, re.M))
    done = run_script(
        name, *[tmp_path / f"no such thing {i}" for i in range(n_arguments)], check=False
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert re.search(r"(^|\n)(\S+: )?error: [^\n]+\n?$", done.stderr), done.stderr


@pytest.mark.parametrize("path", SCRIPTS)
def test_scripts_take_ctrl_c_over_before_anything_else(path):
    first = next(node for node in tree_of(path).body if not isinstance(node, ast.Expr))
    assert ast.unparse(first) == (
        "import _repo_root" if "/" in path else "import sound_eval.interrupts"
    )


@pytest.mark.parametrize("path", SCRIPTS)
def test_a_script_has_a_main_that_takes_its_arguments(path):
    """So that a test calls it in its own process; `run_main` makes errors one line."""
    tree = tree_of(path)
    (main,) = [
        node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main"
    ]
    assert ast.unparse(main.args) == "argv=None"
    assert list(calls(path, "script_parser"))
    assert path == INSTALLER or ast.unparse(tree.body[-1].body[0]) == "run_main(main)"


def test_options_are_defined_in_scripts_alone():
    parsers = {path for path in SOURCES if list(calls(path, "ArgumentParser"))}
    in_package = {
        path
        for path in PACKAGE.rglob("*.py")
        if "argparse" in {name for name, _ in imports(path)} or list(calls(path, "add_argument"))
    }
    assert parsers == {PACKAGE / "cli.py"} == in_package


def test_every_seed_is_one_that_generators_take():
    types = {
        path.name: keywords_of(call)["type"]
        for path in SOURCES
        for call in calls(path, "add_argument")
        if ast.unparse(call.args[0]) == "'--seed'"
    }
    assert len(types) > 7
    assert set(types.values()) == {"seed_number"}


def test_all_find_the_package_in_one_way():
    assert len({(REPO / folder / "_repo_root.py").read_text() for folder in FOLDERS[1:]}) == 1


@pytest.mark.parametrize("folder", FOLDERS[1:])
def test_repo_root_does_so_too(folder):
    body = tree_of(Path(folder, "_repo_root.py")).body
    assert list(map(ast.unparse, body[-1:])) == ["import sound_eval.interrupts"]
    light = {"os", "sys", "_signal", "atexit", "sound_eval.interrupts"}
    files = (REPO / folder / "_repo_root.py", REPO / "sound_eval" / "interrupts.py")
    assert {name for path in files for name, _ in imports(path)} <= light


def test_next_commands_can_be_typed_where_one_is(capsys, monkeypatch, tmp_path):
    (tmp_path / "python").symlink_to(sys.executable)
    commands = []
    for folder, path in ((REPO, ""), (REPO.parent, ""), (tmp_path, str(tmp_path))):
        monkeypatch.chdir(folder)
        monkeypatch.setenv("PATH", path)
        monkeypatch.setattr(sys, "executable", f"{tmp_path}/python" if path else "/opt/some python")
        print_next("python", "tools/x.py", "my music/ü")
        commands.append(capsys.readouterr().out)
    assert commands == [
        "next: '/opt/some python' tools/x.py 'my music/ü'\n",
        f"next: '/opt/some python' {REPO.name}/tools/x.py 'my music/ü'\n",
        f"next: python {REPO}/tools/x.py 'my music/ü'\n",
    ]


# ---- README, docs, configs, pictures, page ----


def without_code(markdown):
    """A document without its fenced and its indented lines."""
    unfenced = re.sub(r"^```.*?^```$", "", markdown, flags=re.M | re.S)
    return re.sub(r"^    .*$", "", unfenced, flags=re.M)


def local_links(markdown):
    """(path, anchor) of links and images that lie in the checkout; each may be empty."""
    targets = re.findall(
        r"\]\(([^)\s]+)\)|<img[^>]*?src=\"([^\"]+)\"|<source[^>]*?srcset=\"([^\"]+)\"", markdown
    )
    flat = [next(filter(None, groups)) for groups in targets]
    return [tuple(target.partition("#")[::2]) for target in flat if "://" not in target]


def anchors(markdown):
    """The anchors that GitHub makes of the headings."""
    headings = re.findall(r"^#+ (.*)$", markdown, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_local_links_lead_somewhere(document):
    for path, anchor in local_links(TEXTS[document]):
        target = (REPO / document).parent / path if path else REPO / document
        assert target.exists(), path
        assert not anchor or anchor in anchors(target.read_text(encoding="utf-8")), (path, anchor)


def test_readme_leads_to_every_page():
    pages = {name for name in DOCUMENTS if name != "README.md"}
    assert len(pages) > 8
    assert pages <= {path for path, _ in local_links(TEXTS["README.md"])}


def test_readme_is_a_front_page():
    assert len(TEXTS["README.md"].splitlines()) < MOST_LINES_OF_README


@pytest.mark.parametrize("document", DOCUMENTS)
def test_prose_has_lines_a_person_can_read(document):
    lines = without_code(TEXTS[document]).splitlines()
    prose = [line for line in lines if not re.match(r"\s*(\||!\[|<img|<source)", line)]
    assert len(prose) > 10
    assert not [line for line in prose if len(line) > MOST_COLUMNS]


def test_documents_name_only_scripts_and_configs_that_exist():
    everything = "\n".join(TEXTS.values())
    named = re.findall(r"python ((?:[\w]+/)?\w+\.py)", everything) + re.findall(
        r"configs/\w+\.yaml", everything
    )
    assert len(named) > 6
    assert not [name for name in named if not (REPO / name).exists()]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_documents_leave_no_empty_section(document):
    parts = re.split(r"^(#+) (.*)$", TEXTS[document], flags=re.M)[1:]
    # (level, heading, text)
    sections = list(zip(parts[::3], parts[1::3], parts[2::3], strict=True))
    following = [level for level, _, _ in sections[1:]] + [""]
    assert len(sections) > 1
    assert not [
        heading
        for (level, heading, text), after in zip(sections, following, strict=True)
        if not text.strip() and len(after) <= len(level)
    ]


def test_targets_of_make_in_documents_exist():
    named = set(re.findall(r"make ([a-z]+)", "\n".join(TEXTS.values())))
    targets = named & {"demo", "test", "setup", "lint", "bench", "pictures", "clean"}
    assert targets >= {"demo", "test"}
    makefile = (REPO / "Makefile").read_text()
    assert not [target for target in targets if not re.search(rf"^{target}:", makefile, re.M)]


def test_default_config_describes_every_key():
    text = (REPO / "configs" / "default_config.yaml").read_text(encoding="utf-8")
    assert not [name for name in FIELDS if not re.search(rf"^(# )?{name}: .*# \S", text, re.M)]


@pytest.mark.parametrize(
    "path", sorted((REPO / "configs").glob("*.yaml")), ids=lambda path: path.name
)
def test_presets_load_and_say_why(path):
    text = path.read_text(encoding="utf-8")
    read_config(path)
    assert text.startswith("# ")
    assert not set(yaml.safe_load(text)) & set(LEGACY_KEYS)


def test_presets_of_the_contract_are_there():
    names = {path.name for path in (REPO / "configs").glob("*.yaml")}
    assert names >= {
        "default_config.yaml",
        "small_train.yaml",
        "agressive_train.yaml",
        "train_opt.yaml",
    }


@pytest.mark.parametrize(
    "path", sorted((REPO / "design_diagrams").glob("*.svg")), ids=lambda path: path.name
)
def test_diagrams_are_whole_local_and_have_a_dark_mode(path):
    text = path.read_text(encoding="utf-8")
    assert ElementTree.fromstring(text).tag == "{http://www.w3.org/2000/svg}svg"
    assert "prefers-color-scheme: dark" in text
    assert not re.findall(r"https?://(?!www\.w3\.org/)", text)


def test_the_page_has_no_remote_address():
    everything = [*(REPO / "static_web_viewer").rglob("*"), *(PACKAGE / "map").rglob("*.py")]
    sources = [path for path in everything if path.suffix in (".py", ".js", ".css", ".html")]
    assert {path.suffix for path in sources} >= {".py", ".js", ".css", ".html"}
    remote = [
        (path.name, url)
        for path in sources
        for url in re.findall(r"https?://[\w.]+", path.read_text(encoding="utf-8"))
    ]
    local = ("http://www.w3.org", "http://127.0.0.1", "http://localhost")
    assert not [(name, url) for name, url in remote if not url.startswith(local)]
