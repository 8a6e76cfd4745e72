"""What browsers play, decided by what is in a file and not by its name alone.

Conventions
-----------
A form is (container, codec), as ffprobe names them. The beginning of a file tells it
for mp3, flac and ogg, libsndfile for wav, ffprobe for everything else, and for what
does not begin as usual. A file goes beside the map as it is only where its form is one
that the browsers of today play under its suffix, which is what a web server tells them
of it.
"""

import json
from pathlib import PurePosixPath

import soundfile

from sound_eval import programs

OGG_SUFFIXES = {".ogg", ".oga", ".opus"}
M4A_SUFFIXES = {".m4a", ".mp4"}
PLAYED = {  # form: suffixes
    ("mp3", "mp3"): {".mp3"},
    ("flac", "flac"): {".flac"},
    ("ogg", "vorbis"): OGG_SUFFIXES,
    ("ogg", "opus"): OGG_SUFFIXES,
    ("ogg", "flac"): OGG_SUFFIXES,
    ("mov", "aac"): M4A_SUFFIXES,
    ("mov", "mp3"): M4A_SUFFIXES,
    ("aac", "aac"): {".aac"},
    ("matroska", "opus"): {".webm"},
    ("matroska", "vorbis"): {".webm"},
}
SUFFIXES = {".wav"}.union(*PLAYED.values())
# As libsndfile names them; ADPCM and doubles are not among them.
PLAYED_WAV = {"PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "ULAW", "ALAW"}
LOWEST_WAV_RATE = 3000  # Hz; Chromium refuses less
OGG_CODECS = {b"\x01vorbis": "vorbis", b"OpusHead": "opus", b"\x7fFLAC": "flac"}
HEAD_BYTES = 64
ID3_HEAD = 10  # bytes
PROBE = [
    "-show_entries",
    "format=format_name:stream=codec_type,codec_name:stream_disposition=attached_pic",
    "-of",
    "json",
]


def plays_in_browsers(path, name):
    """Whether the browsers of today play the file at `path` under the name `name`.

    Raises OSError where it cannot be read.
    """
    suffix = PurePosixPath(name).suffix.lower()
    with open(path, "rb") as file:
        if suffix not in SUFFIXES:
            return False
        form = usual_form(file)
    if form == ("wav", ""):
        return suffix == ".wav" and is_played_wav(path)
    return suffix in PLAYED.get(form or probed_form(path), ())


def usual_form(file):
    """The form of an open file whose beginning tells it, ("wav", "") for any wav;
    None where it does not.
    """
    head = after_id3(file)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav", ""
    if head[:4] == b"fLaC":
        return "flac", "flac"
    if head[:4] == b"OggS":  # a page with one segment, the head of the first stream
        return next(
            (("ogg", codec) for mark, codec in OGG_CODECS.items() if head[28:].startswith(mark)),
            None,
        )
    return ("mp3", "mp3") if is_layer_3(head) else None


def after_id3(file):
    """The first HEAD_BYTES of a file behind an ID3v2 tag, whose size is in four
    bytes of seven bits.
    """
    head = file.read(HEAD_BYTES)
    if head[:3] != b"ID3" or len(head) < ID3_HEAD:
        return head
    file.seek(
        ID3_HEAD
        + sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    )
    return file.read(HEAD_BYTES)


def is_layer_3(head):
    """Whether bytes begin with the header of a frame of MPEG audio layer III (ISO
    11172-3, 2.4.1.3).
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    version, bitrate, rate = head[1] >> 3 & 3, head[2] >> 4, head[2] >> 2 & 3
    return version != 1 and bitrate != 15 and rate != 3


def is_played_wav(path):
    """Whether browsers play the samples of a wav."""
    try:
        about = soundfile.info(path)
    except soundfile.SoundFileError:
        return False
    is_wav = about.format in ("WAV", "WAVEX")
    return is_wav and about.subtype in PLAYED_WAV and about.samplerate >= LOWEST_WAV_RATE


def probed_form(path):
    """The form of a file as ffprobe sees it;
    None for a film, and for what ffprobe does not know.
    """
    found = probe(path)
    streams = found.get("streams", [])
    audio = [stream for stream in streams if stream.get("codec_type") == "audio"]
    if not audio or any(is_film(stream) for stream in streams):
        return None
    return found.get("format", {}).get("format_name", "").split(",")[0], audio[0].get(
        "codec_name", ""
    )


def is_film(stream):
    """Whether a stream holds moving pictures, and not a cover."""
    return stream.get("codec_type") == "video" and not stream.get("disposition", {}).get(
        "attached_pic"
    )


def probe(path):
    """What ffprobe tells of a file, {} where it does not know it.

    Raises programs.MissingProgramError.
    """
    try:
        status, output, _ = programs.run(
            ["ffprobe", "-v", "error", *PROBE, *programs.input_of(path)]
        )
    except programs.StalledError:
        return {}
    try:
        found = json.loads(output) if not status else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
