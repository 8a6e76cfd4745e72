"""The configuration: what is wrong with a file is one line that names the file and
the key, at once.
"""

import dataclasses
import os
import time

import pytest
import yaml
from conftest import run_script

from sound_eval.config import (
    DEFAULT_PRESET,
    FIELDS,
    LEGACY_VALUES,
    Config,
    config_in,
    read_config,
    save_config,
    to_yaml,
)
from sound_eval.errors import InputError

OTHER_PRESETS = sorted(set(DEFAULT_PRESET.parent.glob("*.yaml")) - {DEFAULT_PRESET})
LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n"  # nine lines that stand for 9^9 letters
LAUGHS += "".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)


def test_what_is_written_is_read(tmp_path):
    config = read_config().replace(SONG_L2=0.25, AUDIO_SUFFIXES=(".mp3", ".ü"))
    save_config(tmp_path / "c.yaml", config)
    assert read_config(tmp_path / "c.yaml") == config


def test_numbers_as_people_write_them():
    config = config_in(
        "BATCH_SIZE: 2.0e+3\nSONG_L2: 1e-3\nHIDE_WORDS: 1\nTRAIN_STEPS_PER_SAVE: 1_000_000\n",
        "c.yaml",
    )
    assert (config.BATCH_SIZE, config.SONG_L2, config.HIDE_WORDS, config.TRAIN_STEPS_PER_SAVE) == (
        2000,
        0.001,
        1.0,
        10**6,
    )
    assert type(config.HIDE_WORDS) is float
    assert (
        config_in("", "c.yaml") == config_in("# nothing\n", "c.yaml") == config_in("{}", "c.yaml")
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (LAUGHS, "aliases such as .name are not read"),
        ("SONG_L2: &a 1\nMIX_INPUTS: *a\n", "aliases"),
        ("SONG_L2: &a [*a]\n", "aliases"),
        ("<<: {SONG_L2: 1}\n", "unknown key <<"),
        ("SONG_L2: " + "[" * 3000, "hundreds deep"),
        ("[" * 3000, "hundreds deep"),
        ("SONG_L2: " + "[" * 100 + "]" * 100, "SONG_L2 is .*expected a finite number"),
        ("- " * 3000, "hundreds deep"),
        ("{" * 3000, "hundreds deep"),
        ("SONG_L2: 2020-99-99\n", "value of 'SONG_L2' is not readable"),
        ("SONG_L2: 2020-01-01\n", "SONG_L2 is .*expected a finite number"),
        ("SONG_L2: !!binary x\n", "value of 'SONG_L2' is not readable"),
        ("SONG_L2: !!binary aGVsbG8=\n", "SONG_L2 is b'hello', expected"),
        ("SONG_L2: !!float many\n", "value of 'SONG_L2' is not readable"),
        ("SONG_L2: !!int [1]\n", "value of 'SONG_L2' is not readable"),
        ("SONG_L2: !!python/object/apply:os.system [true]\n", "value of 'SONG_L2' is not readable"),
        ("SONG_L2: !!set {? a}\n", "SONG_L2 is"),
        ("SONG_L2: .inf\n", "SONG_L2 is inf, expected a finite number"),
        ("SONG_L2: -.inf\n", "SONG_L2 is -inf"),
        ("SONG_L2: .nan\n", "SONG_L2 is nan"),
        ("SONG_L2: 1e999\n", "SONG_L2 is inf"),
        ("SONG_L2: 'nan'\n", "SONG_L2 is nan"),
        ("TIME_SEGMENT_SIZE: .inf\n", "TIME_SEGMENT_SIZE is inf"),
        ("FRAMES_ON_DEVICE_GB: .inf\n", "FRAMES_ON_DEVICE_GB is inf"),
        ("BATCH_SIZE: .inf\n", "BATCH_SIZE is inf, expected a whole number"),
        (f"BATCH_SIZE: {'9' * 5000}\n", "value of 'BATCH_SIZE' is not readable"),
        (
            f"BATCH_SIZE: 0x{'f' * 50000}\n",
            "BATCH_SIZE is a int too long to be shown, expected at most",
        ),
        (f"SONG_L2: {'9' * 400}\n", "SONG_L2 is 9+.*expected a finite number"),
        (f"HIDDEN_SIZE: {10**12}\n", "HIDDEN_SIZE is 1000000000000, expected at most 65536"),
        ("SONG_L2: 1\nSONG_L2: 2\n", "'SONG_L2' is given twice"),
        ("[SONG_L2]: 1\n", "line 1: a list where a key is expected"),
        ("? {a: b}\n: 1\n", "line 1: a mapping where a key is expected"),
        ("SONG_L2\n", "expected lines `KEY: value`, found a single value"),
        ("- SONG_L2\n", "found a list"),
        ("SONG_L2: 1\n---\nSONG_L2: 2\n", "not readable as YAML"),
        ("SONG_L2: 'a\n", "not readable as YAML"),
        ("SONG_L2: \0\n", "not readable as YAML"),
        ("SONG_L2: yes\n", "SONG_L2 is True, expected a finite number"),
        ("USE_GPU: 1\n", "USE_GPU is 1, expected true or false"),
        ("USE_GPU:\n", "USE_GPU is None"),
        ("DECODER: [auto]\n", "DECODER is"),
        ("AUDIO_SUFFIXES: .mp3\n", "expected a list of strings"),
        ("AUDIO_SUFFIXES: [1]\n", "expected a list of strings"),
        ("song_l2: 1\n", "unknown key song_l2; did you mean SONG_L2"),
        ("5: 1\n", "unknown key 5"),
        (f"{'K' * 900}: 1\n", "unknown key K+"),
        ("# " + "x" * 200_000, "longer than 100000 bytes"),
    ],
)
def test_hostile_files_are_one_line_at_once(tmp_path, text, message):
    path = tmp_path / "c.yaml"
    path.write_text(text)
    began = time.process_time()
    with pytest.raises(InputError, match=rf"(?s)c\.yaml.*{message}") as error:
        read_config(path)
    assert time.process_time() - began < 5 and len(str(error.value)) < 1000


@pytest.mark.parametrize(
    "name", [name for name, field in FIELDS.items() if field.type in (int, float)]
)
def test_every_number_has_bounds(name):
    for value in (".inf", "-.inf", ".nan", "1e400", "-1", "9" * 4000, f"1{'0' * 30}"):
        with pytest.raises(InputError, match=name):
            config_in(f"{name}: {value}\n", "c.yaml")


def test_the_default_preset_is_what_a_file_without_keys_means():
    assert read_config() == Config() == config_in("", "c.yaml")
    assert set(yaml.safe_load(DEFAULT_PRESET.read_text())) == set(FIELDS) - {"AUDIO_SUFFIXES"}


@pytest.mark.parametrize("path", OTHER_PRESETS, ids=lambda path: path.name)
def test_a_preset_holds_its_differences(path):
    default = read_config()
    given = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert given
    assert not [name for name, value in given.items() if getattr(default, name) == value]


def test_a_file_of_the_first_implementation_means_what_it_meant(capsys):
    config = config_in("MAX_NUM_FILES: 9\nHIDDEN_SIZE: 300\nWINDOW_FORWARD: 3\n", "c.yaml")
    assert dataclasses.asdict(config) == dataclasses.asdict(Config()) | LEGACY_VALUES | {
        "HIDDEN_SIZE": 300
    }
    (notice,) = capsys.readouterr().err.splitlines()
    assert notice.startswith(
        "warning: c.yaml: WINDOW_FORWARD, MAX_NUM_FILES: of the first implementation and without "
        "effect; what is left out is as it was then: TIME_SEGMENT_SIZE 0.1, FFT_SIZE 2048, "
    )
    assert "TEXTURE_SECONDS 0, " in notice and notice.endswith("KIN_SHARE 0")
    assert "HIDDEN_SIZE" not in notice
    assert config_in("NUM_REFERENCE_VECS: 1\n" + to_yaml(Config()), "c.yaml") == Config()
    assert capsys.readouterr().err.endswith("and without effect\n")


def test_a_frame_lasts_whole_samples():
    config = read_config().replace(SAMPLERATE=22050, TIME_SEGMENT_SIZE=0.0116)
    assert config.hop == 255 and 1 / config.seconds_per_frame == pytest.approx(86.47, abs=0.005)
    # the shortest there is is one sample
    assert read_config().replace(SAMPLERATE=1000, TIME_SEGMENT_SIZE=0.001).hop == 1
    # a file's own number where it is one of whole samples, to the last bit: no input changes
    for seconds in (0.025, 0.1, 0.2, 0.01):
        assert read_config().replace(TIME_SEGMENT_SIZE=seconds).seconds_per_frame == seconds


@pytest.mark.parametrize("data", [b"\xff\xfe", b"SONG_L2: \xff\n", b"\x80\x81"])
def test_bytes_that_are_no_text(tmp_path, data):
    (tmp_path / "c.yaml").write_bytes(data)
    with pytest.raises(InputError, match=r"c\.yaml: not UTF-8 text"):
        read_config(tmp_path / "c.yaml")


def test_pipes_and_folders_are_refused_at_once(tmp_path):
    os.mkfifo(tmp_path / "pipe.yaml")
    for path in (tmp_path, tmp_path / "pipe.yaml", "/dev/zero"):
        with pytest.raises(InputError, match="where a file is expected"):
            read_config(path)


def test_a_script_says_it_in_one_line(tmp_path):
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a.npy").touch()
    for text in (LAUGHS, "SONG_L2: .inf\n", "[" * 3000):
        (tmp_path / "c.yaml").write_text(text)
        done = run_script(
            "spectrogram_doc2vec.py",
            tmp_path / "tree",
            tmp_path / "run",
            f"--config={tmp_path / 'c.yaml'}",
            check=False,
        )
        assert (
            done.returncode == 1
            and done.stderr.count("\n") == 1
            and done.stderr.startswith(f"error: {tmp_path / 'c.yaml'}")
        )
