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
        form = _usual_form(file)
    if form == ("wav", ""):
        return suffix == ".wav" and _is_played_wav(path)
    return suffix in PLAYED.get(form or _probed_form(path), ())


def _usual_form(file):
    """The form of an open file whose beginning tells it, ("wav", "") for any wav;
    None where it does not.
    """
    head = _after_id3(file)
    if head[:4] == b"RIFF" and head[8:12] == b"WAVE":
        return "wav", ""
    if head[:4] == b"fLaC":
        return "flac", "flac"
    if head[:4] == b"OggS":
        # a page with one segment, the head of the first stream
        found = [codec for mark, codec in OGG_CODECS.items() if head[28:].startswith(mark)]
        return ("ogg", found[0]) if found else None
    return ("mp3", "mp3") if _is_layer_3(head) else None


def _after_id3(file):
    """The first HEAD_BYTES of a file behind an ID3v2 tag, whose size is in four
    bytes of seven bits.
    """
    head = file.read(HEAD_BYTES)
    if head[:3] != b"ID3" or len(head) < ID3_HEAD:
        return head
    size = sum(byte << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
    file.seek(ID3_HEAD + size)
    return file.read(HEAD_BYTES)


def _is_layer_3(head):
    """Whether bytes begin with the header of a frame of MPEG audio layer III (ISO
    11172-3, 2.4.1.3).
    """
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE6 != 0xE2:
        return False
    version = head[1] >> 3 & 3
    bitrate = head[2] >> 4
    rate = head[2] >> 2 & 3
    return version != 1 and bitrate != 15 and rate != 3


def _is_played_wav(path):
    """Whether browsers play the samples of a wav."""
    try:
        about = soundfile.info(path)
    except soundfile.SoundFileError:
        return False
    is_wav = about.format in ("WAV", "WAVEX")
    return is_wav and about.subtype in PLAYED_WAV and about.samplerate >= LOWEST_WAV_RATE


def _probed_form(path):
    """The form of a file as ffprobe sees it;
    None for a film, and for what ffprobe does not know.
    """
    found = _probe(path)
    streams = found.get("streams", [])
    audio = [stream for stream in streams if stream.get("codec_type") == "audio"]
    if not audio or any(_is_film(stream) for stream in streams):
        return None
    container = found.get("format", {}).get("format_name", "").split(",")[0]
    return container, audio[0].get("codec_name", "")


def _is_film(stream):
    """Whether a stream holds moving pictures, and not a cover."""
    is_cover = stream.get("disposition", {}).get("attached_pic")
    return stream.get("codec_type") == "video" and not is_cover


def _probe(path):
    """What ffprobe tells of a file, {} where it does not know it.

    Raises programs.MissingProgramError.
    """
    try:
        command = ["ffprobe", "-v", "error", *PROBE, *programs.input_of(path)]
        status, output, _ = programs.run(command)
    except programs.StalledError:
        return {}
    try:
        found = json.loads(output) if not status else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
