"""Ask the song vectors of a run: what is near a song, what lies in a sum of songs, a
way between two, a playlist, hubs.

A SONG is the path of a song, a part of the path that fits only one song (in any case),
or its row in music_list.txt; an audio file that the run never saw is turned into a
vector on the spot. All songs of the run are compared, by the cosine of their vectors;
`similarity` is that cosine, in paths and playlists with the song before.
"""

import _repo_root  # noqa: F401  first: sound_eval on the path, Ctrl-C in one line

import json
import os
import sys

from _search_options import parse_arguments

from sound_eval.audio.durations import Durations
from sound_eval.cli import run_main, script_parser
from sound_eval.errors import InputError
from sound_eval.files.outputs import check_outputs
from sound_eval.search import faiss_index, hubs
from sound_eval.search.vectors import Cosine, MutualProximity
from sound_eval.songs.library import Library
from sound_eval.songs.list_formats import PLAYLIST, as_csv, as_json, as_text, save_m3u8
from sound_eval.songs.questions import Questions

EXAMPLE = """examples:
  python process_results/similar_songs.py near example_outs/ "volume 01/03" --top 5
  python process_results/similar_songs.py like example_outs/ \\
      "+volume 01/03" "+volume 02/05" "-volume 03/07"
  python process_results/similar_songs.py path example_outs/ 3 17 --steps 8 \\
      --m3u8 example_results/walk.m3u8 --audio-dir example_input/
  python process_results/similar_songs.py playlist example_outs/ 17 --length 15min \\
      --audio-dir example_input/ --metadata example_input/labels.csv --max-per genre 6
  python process_results/similar_songs.py stats example_outs/ --mutual-proximity \\
      --metadata example_input/labels.csv --same genre
  python make_example_music.py example_results/new/ --pieces 1 --seed 1   # never seen by the run
  python process_results/similar_songs.py near example_outs/ example_results/new/*/*.mp3 --json"""


def check_files(args):
    """Raise InputError where a folder is missing, or an output would replace something;
    an index that is there is read.
    """
    for option, folder in (("--audio-dir", args.audio_dir), ("--log-mel-dir", args.log_mel_dir)):
        if folder and not os.path.isdir(folder):
            raise InputError(f"{folder}: no such folder, given as {option}")
    read = [args.metadata, args.song_vectors, *filter(os.path.isfile, args.songs)]
    kinds = {args.m3u8: PLAYLIST} if args.m3u8 else {}
    if args.index and os.path.lexists(args.index):
        read.append(args.index)
    elif args.index:
        kinds[args.index] = faiss_index.KIND
    check_outputs(kinds, read)


def search_of(args, unit):
    """The search that the arguments ask for."""
    if args.index:
        return faiss_index.FaissIndex(unit, args.index)
    return MutualProximity(unit) if args.mutual_proximity else Cosine(unit)


def answer(args, library, durations):
    """The lists that the arguments ask for."""
    rules = library.rules(args.where, *args.max_per, args.drop_duplicates)
    questions = Questions(library, search_of(args, library.unit), rules, args.top)
    if args.verb == "path":
        return questions.path(args.songs, args.steps)
    if args.verb == "playlist":
        return questions.playlist(args.songs[0], args.drift, durations.seconds, args.length)
    return questions.near(args.songs) if args.verb == "near" else questions.like(args.songs)


def write_playlist(path, library, durations, lists):
    """The lists one after the other as M3U8, each song once."""
    entries = {entry.name: entry for _, entries in lists for entry in entries}.values()
    songs = [
        (library.audio_path(entry), entry.title, durations.seconds(entry.row, entry.name))
        for entry in entries
    ]
    save_m3u8(path, songs)
    print(f"wrote {path}: {len(songs)} songs", file=sys.stderr)


def print_stats(args):
    """Hubs and what goes with them."""
    library = Library(args.run_dir, args.song_vectors, args.metadata)
    apart = library.labels(args.apart) if args.apart else None
    same = library.labels(args.same) if args.same else None
    n_songs, dim = library.unit.shape
    report = hubs.hub_report(
        library.names, library.unit, args.neighbours, args.mutual_proximity, apart, same
    )
    if args.json:
        print(json.dumps(report, ensure_ascii=False, indent=1))
        return
    print(f"{n_songs} songs, vectors of {dim}, lists of {args.neighbours}")
    print(hubs.report_text(report))


def main(argv=None):
    """Parse, ask, print."""
    argv = sys.argv[1:] if argv is None else argv
    args = parse_arguments(script_parser(__doc__, EXAMPLE), argv)
    if args.verb == "stats":
        print_stats(args)
        return 0
    check_files(args)
    library = Library(args.run_dir, args.song_vectors, args.metadata, args.audio_dir)
    config = library.run.config if args.log_mel_dir else None
    durations = Durations(config, args.log_mel_dir, args.audio_dir)
    lists = answer(args, library, durations)
    written = as_json if args.json else as_csv if args.csv else as_text
    sys.stdout.write(written(lists))
    if args.m3u8:
        write_playlist(args.m3u8, library, durations, lists)
    return 0


if __name__ == "__main__":
    run_main(main)
