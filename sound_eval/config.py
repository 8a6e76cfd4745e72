"""The configuration: one frozen record, read from YAML, checked, written back.

A key that a file leaves out has the value it has here, which is the meaning it always had; a preset in `configs/` sets what
differs and says why. `configs/default_config.yaml` is the preset used without `--config` and describes every key.
"""
import dataclasses
import difflib
from dataclasses import dataclass
from pathlib import Path

import yaml

from sound_eval.cli import InputError, warn
from sound_eval.trees import save_text

DEFAULT_PRESET = Path(__file__).resolve().parent.parent / "configs" / "default_config.yaml"

LEGACY_KEYS = ("WINDOW_FORWARD", "NUM_REFERENCE_VECS", "MAX_NUM_FILES")  # read without effect

# Keys that the log-mel tree depends on: two trees with equal values hold equal arrays.
LOG_MEL_KEYS = ("SAMPLERATE", "TIME_SEGMENT_SIZE", "FFT_SIZE", "NUM_MEL_BINS")

DECODERS = ("auto", "soundfile", "ffmpeg", "sox")
# fmt: off
AUDIO_SUFFIXES = (
    ".mp3", ".wav", ".flac", ".ogg", ".oga", ".opus", ".m4a", ".m4b", ".mp4", ".aac", ".wma", ".aif", ".aiff", ".aifc", ".au", ".caf",
    ".ape", ".alac", ".wv", ".mka", ".webm", ".amr", ".ac3", ".mp2", ".gsm", ".vox",
)
# fmt: on


def key(default, at_least=None, at_most=None, choices=None):
    """A config key with its default and the range that a value must lie in."""
    return dataclasses.field(default=default, metadata={"at_least": at_least, "at_most": at_most, "choices": choices})


@dataclass(frozen=True)
class Config:
    """One value per key; `configs/default_config.yaml` gives units and reasons."""

    # preprocessing
    SAMPLERATE: int = key(16000, at_least=1000)
    TIME_SEGMENT_SIZE: float = key(0.1, at_least=0.001)
    FFT_SIZE: int = key(2048, at_least=64, at_most=65536)
    NUM_MEL_BINS: int = key(80, at_least=1, at_most=1000)
    DECODER: str = key("auto", choices=DECODERS)
    AUDIO_SUFFIXES: tuple = key(AUDIO_SUFFIXES)
    MAX_SECONDS: float = key(0.0, at_least=0.0)
    LONG_FILES: str = key("cap", choices=("cap", "skip"))
    # what the networks see
    TEXTURE_SECONDS: float = key(0.0, at_least=0.0)
    TEXTURE_STEP_SECONDS: float = key(0.25, at_least=0.001)
    # the model
    WINDOW_SIZE: int = key(10, at_least=1)
    HIDDEN_SIZE: int = key(256, at_least=1)
    OUTPUT_VECTOR_SIZE: int = key(80, at_least=1)
    # training
    BATCH_SIZE: int = key(1024, at_least=4)
    SONGS_PER_BATCH: int = key(32, at_least=2)
    ADAM_learning_rate: float = key(0.002, at_least=0.0)
    SONG_learning_rate: float = key(0.01, at_least=0.0)
    HIDE_WORDS: float = key(0.5, at_least=0.0, at_most=1.0)
    MIX_INPUTS: float = key(0.7, at_least=0.0)
    KIN_SHARE: float = key(0.2, at_least=0.0, at_most=1.0)
    WEIGHT_DECAY: float = key(1.0, at_least=0.0, at_most=100.0)
    SONG_L2: float = key(0.3, at_least=0.0)
    TRAIN_STEPS_PER_SAVE: int = key(2_000_000, at_least=1)
    TRAIN_STEPS_PER_PRINT: int = key(100_000, at_least=1)
    FRAMES_ON_DEVICE_GB: float = key(4.0, at_least=0.0)
    USE_GPU: bool = key(False)

    def replace(self, **changes):
        """A copy with some keys changed, checked like a file is."""
        return from_mapping(dataclasses.asdict(self) | changes, source="config")

    @property
    def songs_per_batch(self):
        """Songs in one step: SONGS_PER_BATCH, or fewer where a small BATCH_SIZE would leave less than two inputs a song."""
        return min(self.SONGS_PER_BATCH, self.BATCH_SIZE // 2)

    @property
    def hop(self):
        """Samples between two frames."""
        return int(self.SAMPLERATE * self.TIME_SEGMENT_SIZE)


FIELDS = {field.name: field for field in dataclasses.fields(Config)}


def read_config(path=None):
    """Read a YAML file, by default the default preset. Raises InputError that names the file and the key."""
    path = Path(path or DEFAULT_PRESET)
    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not readable as YAML: {error}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise InputError(f"{path}: expected lines `KEY: value`, found a {type(values).__name__}")
    return from_mapping(values, source=path)


def from_mapping(values, source):
    """A checked Config from a mapping; `source` stands in front of every message."""
    known = {}
    for name, value in values.items():
        if name in LEGACY_KEYS:
            warn(f"{source}: {name} is a key of the first implementation and has no effect")
        elif name not in FIELDS:
            raise InputError(f"{source}: unknown key {name}{suggestion(name)}")
        else:
            known[name] = checked(name, value, source)
    config = Config(**known)
    check_together(config, source)
    return config


def suggestion(name):
    """`; did you mean X?` for the known key nearest to `name`, or nothing."""
    upper = {field.upper(): field for field in FIELDS}
    near = difflib.get_close_matches(str(name).upper(), upper, n=1)
    return f"; did you mean {upper[near[0]]}?" if near else ""


def checked(name, value, source):
    """`value` in the type of its key; raises InputError where it has another type or lies outside the key's range."""
    field = FIELDS[name]
    wanted, limits = field.type, field.metadata
    if wanted is tuple:
        if not isinstance(value, (list, tuple)) or not all(isinstance(item, str) for item in value):
            raise InputError(f"{source}: {name} is {value!r}, expected a list of strings such as [.mp3, .wav]")
        return tuple(value)
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if wanted is int and isinstance(value, float) and value.is_integer():
        value = int(value)  # YAML reads 2e6 with a dot, 2.0e+6, as a float
    if wanted is float and isinstance(value, str):
        value = number_from_text(value)  # YAML 1.1 reads 1e-3 as text
    if type(value) is not wanted:
        raise InputError(f"{source}: {name} is {value!r}, expected {describe(wanted)}")
    check_limits(name, value, limits, source)
    return value


def number_from_text(text):
    """The float that `text` spells, or the text itself."""
    try:
        return float(text)
    except ValueError:
        return text


def describe(wanted):
    """A type in a user's words."""
    return {int: "a whole number", float: "a number", bool: "true or false", str: "a word"}[wanted]


def check_limits(name, value, limits, source):
    """Raise InputError where a value lies outside its key's range or choices."""
    if limits["choices"] and value not in limits["choices"]:
        raise InputError(f"{source}: {name} is {value!r}, expected one of {', '.join(limits['choices'])}")
    if limits["at_least"] is not None and not value >= limits["at_least"]:
        raise InputError(f"{source}: {name} is {value}, expected at least {limits['at_least']}")
    if limits["at_most"] is not None and not value <= limits["at_most"]:
        raise InputError(f"{source}: {name} is {value}, expected at most {limits['at_most']}")


def check_together(config, source):
    """Raise InputError where two keys do not fit each other."""
    if config.hop < 1:
        raise InputError(f"{source}: TIME_SEGMENT_SIZE {config.TIME_SEGMENT_SIZE} s is less than one sample at SAMPLERATE {config.SAMPLERATE} Hz")
    if config.SAMPLERATE < 2 * 80:
        raise InputError(f"{source}: SAMPLERATE {config.SAMPLERATE} Hz holds nothing above the lowest mel band (80 Hz)")


def to_yaml(config):
    """The whole record as YAML text, one key a line."""
    values = {name: list(value) if isinstance(value, tuple) else value for name, value in dataclasses.asdict(config).items()}
    return yaml.safe_dump(values, sort_keys=False, allow_unicode=True, default_flow_style=None, width=1000)


def save_config(path, config):
    """Write the whole record, atomically."""
    save_text(path, to_yaml(config))


def differences(ours, theirs, keys):
    """`KEY is X here and Y there` for each of `keys` in which two configs differ."""
    pairs = [(name, getattr(ours, name), getattr(theirs, name)) for name in keys]
    return [f"{name} is {our} here and {their} there" for name, our, their in pairs if our != their]
