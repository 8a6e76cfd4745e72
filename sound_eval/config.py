"""The configuration: one frozen record, read from YAML, checked, written back.

A key that a file leaves out has the value it has here, which is that of the default
preset; another preset in `configs/` holds what differs and says why.
`configs/default_config.yaml`, used without `--config`, describes every key. A file with
keys of the first implementation gets the values of that time for what it leaves out.
"""

import dataclasses
import difflib
import math
from dataclasses import dataclass
from pathlib import Path

import yaml

from sound_eval.errors import InputError
from sound_eval.files.names import AUDIO_SUFFIXES
from sound_eval.files.reading import read_text
from sound_eval.files.writing import save_text
from sound_eval.terminal import warn

DEFAULT_PRESET = Path(__file__).resolve().parent.parent / "configs" / "default_config.yaml"

MOST_BYTES = 100_000  # of a file; the largest preset has 3,000
MOST_NUMBER = 10**18  # what a key of any kind may hold
MOST_SHOWN = 80  # letters of a value that a message shows
# YAML's words in plainer ones
KINDS = {"sequence": "list", "mapping": "mapping", "scalar": "single value"}

# read without effect, but they tell of what time a file is
LEGACY_KEYS = ("WINDOW_FORWARD", "NUM_REFERENCE_VECS", "MAX_NUM_FILES")
# what such a file means by leaving a key out: single frames, and no kin among them, which a
# tenth of a second is too short to tell
LEGACY_VALUES = {
    "TIME_SEGMENT_SIZE": 0.1,
    "FFT_SIZE": 2048,
    "TEXTURE_SECONDS": 0.0,
    "WINDOW_SIZE": 10,
    "HIDDEN_SIZE": 256,
    "OUTPUT_VECTOR_SIZE": 80,
    "BATCH_SIZE": 1024,
    "SONGS_PER_BATCH": 32,
    "ADAM_learning_rate": 0.002,
    "KIN_SHARE": 0.0,
}

# Keys that the log-mel tree depends on: two trees with equal values hold equal arrays.
LOG_MEL_KEYS = ("SAMPLERATE", "TIME_SEGMENT_SIZE", "FFT_SIZE", "NUM_MEL_BINS")

DECODERS = ("soundfile", "ffmpeg", "sox")  # in the order in which `auto` tries them


def key(default, at_least=None, at_most=None, choices=None):
    """A config key with its default and the range that a value must lie in."""
    return dataclasses.field(
        default=default, metadata={"at_least": at_least, "at_most": at_most, "choices": choices}
    )


@dataclass(frozen=True)
class Config:
    """One value per key; `configs/default_config.yaml` gives units and reasons."""

    # preprocessing
    SAMPLERATE: int = key(16000, at_least=1000, at_most=1_000_000)
    TIME_SEGMENT_SIZE: float = key(0.025, at_least=0.001, at_most=60.0)
    FFT_SIZE: int = key(1024, at_least=64, at_most=65536)
    NUM_MEL_BINS: int = key(80, at_least=1, at_most=1000)
    DECODER: str = key("auto", choices=("auto", *DECODERS))
    AUDIO_SUFFIXES: tuple = key(AUDIO_SUFFIXES)
    MAX_SECONDS: float = key(0.0, at_least=0.0, at_most=1e9)
    LONG_FILES: str = key("cap", choices=("cap", "skip"))
    # what the networks see
    TEXTURE_SECONDS: float = key(2.0, at_least=0.0, at_most=3600.0)
    TEXTURE_STEP_SECONDS: float = key(0.25, at_least=0.001, at_most=3600.0)
    # the model
    WINDOW_SIZE: int = key(90, at_least=1, at_most=1_000_000)
    HIDDEN_SIZE: int = key(512, at_least=1, at_most=65_536)
    OUTPUT_VECTOR_SIZE: int = key(128, at_least=1, at_most=65_536)
    # training
    BATCH_SIZE: int = key(960, at_least=4, at_most=1_000_000)
    SONGS_PER_BATCH: int = key(160, at_least=2, at_most=1_000_000)
    ADAM_learning_rate: float = key(0.001, at_least=0.0, at_most=1e6)
    SONG_learning_rate: float = key(0.01, at_least=0.0, at_most=1e6)
    HIDE_WORDS: float = key(0.5, at_least=0.0, at_most=1.0)
    MIX_INPUTS: float = key(0.7, at_least=0.0, at_most=1e6)
    KIN_SHARE: float = key(0.2, at_least=0.0, at_most=1.0)
    WEIGHT_DECAY: float = key(1.0, at_least=0.0, at_most=100.0)
    SONG_L2: float = key(0.3, at_least=0.0, at_most=1e6)
    TRAIN_STEPS_PER_SAVE: int = key(2_000_000, at_least=1, at_most=10**15)
    TRAIN_STEPS_PER_PRINT: int = key(100_000, at_least=1, at_most=10**15)
    FRAMES_ON_DEVICE_GB: float = key(4.0, at_least=0.0, at_most=1e9)
    USE_GPU: bool = key(False)

    def replace(self, **changes):
        """A copy with some keys changed, checked like a file is."""
        return from_mapping(dataclasses.asdict(self) | changes, source="config")

    @property
    def songs_per_step(self):
        """Songs in one step: SONGS_PER_BATCH, or fewer where a small BATCH_SIZE would
        leave less than two inputs a song.
        """
        return min(self.SONGS_PER_BATCH, self.BATCH_SIZE // 2)

    @property
    def hop(self):
        """Samples between two frames."""
        return int(self.SAMPLERATE * self.TIME_SEGMENT_SIZE)

    @property
    def seconds_per_frame(self):
        """Time between two frames: TIME_SEGMENT_SIZE in whole samples."""
        return self.hop / self.SAMPLERATE


FIELDS = {field.name: field for field in dataclasses.fields(Config)}


class Loader(yaml.SafeLoader):
    """PyYAML's safe loader without aliases:
    a few lines of them can stand for more than any memory holds.
    """

    def compose_node(self, parent, index):
        """The next node of the text."""
        if self.check_event(yaml.events.AliasEvent):
            raise yaml.composer.ComposerError(
                None, None, "aliases such as *name are not read", self.peek_event().start_mark
            )
        return super().compose_node(parent, index)


def read_config(path=None):
    """Read a YAML file, by default the default preset.

    Raises InputError that names the file and the key.
    """
    path = Path(path or DEFAULT_PRESET)
    return config_in(read_text(path, MOST_BYTES), path)


def config_in(text, source):
    """The checked Config that YAML text spells; `source` stands in front of every message."""
    try:
        loader = Loader(text)
        node = loader.get_single_node()
    except (yaml.YAMLError, ValueError) as error:
        raise InputError(f"{source}: not readable as YAML: {error}") from error
    except RecursionError as error:
        raise InputError(
            f"{source}: not readable as YAML: brackets within brackets, hundreds deep"
        ) from error
    if node is None:
        return from_mapping({}, source)
    if not isinstance(node, yaml.MappingNode):
        raise InputError(
            f"{source}: expected lines `KEY: value`, found a {KINDS.get(node.id, node.id)}"
        )
    return from_mapping(values_of(loader, node, source), source)


def values_of(loader, mapping, source):
    """The keys and values of a YAML mapping as a dict;
    raises InputError where one of them is not readable.
    """
    values = {}
    for key_node, value_node in mapping.value:
        if not isinstance(key_node, yaml.ScalarNode):
            raise InputError(
                f"{source}: line {key_node.start_mark.line + 1}: "
                f"a {KINDS[key_node.id]} where a key is expected"
            )
        name = key_node.value
        if name in values:
            raise InputError(f"{source}: {shown(name)} is given twice")
        try:
            values[name] = loader.construct_document(value_node)
        except (
            yaml.YAMLError,
            ValueError,
            TypeError,
            KeyError,
            OverflowError,
            AttributeError,
            RecursionError,
        ) as error:
            raise InputError(
                f"{source}: the value of {shown(name)} is not readable: {error}"
            ) from error
    return values


def shown(value):
    """A value as a message shows it: short."""
    try:
        text = repr(value)
    except (ValueError, RecursionError):
        # Python spells no number of more than some thousand digits
        return f"a {type(value).__name__} too long to be shown"
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def from_mapping(values, source):
    """A checked Config from a mapping; `source` stands in front of every message."""
    known = {}
    for name, value in values.items():
        if name in LEGACY_KEYS:
            known = LEGACY_VALUES | known
        elif name not in FIELDS:
            raise InputError(f"{source}: unknown key {shown(name)[1:-1]}{suggestion(name)}")
        else:
            known[name] = checked(name, value, source)
    if legacy := [name for name in LEGACY_KEYS if name in values]:
        warn(f"{source}: {_legacy_notice(legacy, values)}")
    return Config(**known)


def _legacy_notice(legacy, values):
    """What is said of a file with keys of the first implementation."""
    text = f"{', '.join(legacy)}: of the first implementation and without effect"
    left_out = [f"{name} {LEGACY_VALUES[name]:g}" for name in LEGACY_VALUES if name not in values]
    if left_out:
        text += f"; what is left out is as it was then: {', '.join(left_out)}"
    return text


def suggestion(name):
    """`; did you mean X?` for the known key nearest to `name`, or nothing."""
    upper = {field.upper(): field for field in FIELDS}
    near = difflib.get_close_matches(str(name).upper(), upper, n=1)
    return f"; did you mean {upper[near[0]]}?" if near else ""


def checked(name, value, source):
    """`value` in the type of its key;
    raises InputError where it has another type or lies outside the key's range.
    """
    wanted = FIELDS[name].type
    if wanted is tuple:
        return _checked_words(name, value, source)
    value = _number_as(wanted, value)
    if type(value) is not wanted or (wanted is float and not math.isfinite(value)):
        raise InputError(f"{source}: {name} is {shown(value)}, expected {describe(wanted)}")
    _check_limits(name, value, source)
    return value


def _checked_words(name, value, source):
    """A list of strings as a tuple."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
        raise InputError(
            f"{source}: {name} is {shown(value)}, expected a list of strings such as [.mp3, .wav]"
        )
    return tuple(value)


def _number_as(wanted, value):
    """`value` as an int or float where YAML spells that number otherwise, else as it is."""
    if wanted is float and type(value) is int and abs(value) <= MOST_NUMBER:
        return float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        return int(value)  # YAML reads 2e6 with a dot, 2.0e+6, as a float
    if wanted is float and isinstance(value, str):
        return _number_from_text(value)  # YAML 1.1 reads 1e-3 as text
    return value


def _number_from_text(text):
    """The float that `text` spells, or the text itself."""
    try:
        return float(text)
    except ValueError:
        return text


def describe(wanted):
    """A type in a user's words."""
    return {int: "a whole number", float: "a finite number", bool: "true or false", str: "a word"}[
        wanted
    ]


def _check_limits(name, value, source):
    """Raise InputError where a value lies outside its key's range or choices."""
    limits = FIELDS[name].metadata
    expected = None
    if limits["choices"] and value not in limits["choices"]:
        expected = f"one of {', '.join(limits['choices'])}"
    elif limits["at_least"] is not None and value < limits["at_least"]:
        expected = f"at least {limits['at_least']}"
    elif limits["at_most"] is not None and value > limits["at_most"]:
        expected = f"at most {limits['at_most']}"
    if expected:
        raise InputError(f"{source}: {name} is {shown(value)}, expected {expected}")


def to_yaml(config):
    """The whole record as YAML text, one key a line."""
    values = {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in dataclasses.asdict(config).items()
    }
    return yaml.safe_dump(
        values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000
    )


def save_config(path, config):
    """Write the whole record, atomically."""
    save_text(path, to_yaml(config))


def differences(ours, theirs, keys):
    """`KEY is X here and Y there` for each of `keys` in which two configs differ."""
    pairs = [(name, getattr(ours, name), getattr(theirs, name)) for name in keys]
    return [f"{name} is {our} here and {their} there" for name, our, their in pairs if our != their]
