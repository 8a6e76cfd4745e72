"""What one asks a library: songs near others or a sum of songs, paths, playlists.

Conventions
-----------
Songs are texts as a person writes them (see `lookup`), or paths of audio files; an
answer is a list of (title, entries), as `list_formats` takes them. An entry's
similarity is the cosine with what was asked for, in paths and playlists with the song
before.
"""

from dataclasses import dataclass
from itertools import pairwise

from sound_eval.errors import InputError
from sound_eval.search.paths import Rules, Selection, first, path_between, playlist
from sound_eval.search.vectors import Cosine, combine, ranked
from sound_eval.songs.library import Library
from sound_eval.terminal import warn


@dataclass(frozen=True)
class Questions:
    """Questions to a library: by what search, which songs may stand in a list, and how
    many of them.
    """

    library: Library
    search: Cosine
    rules: Rules
    top: int = 10

    def near(self, songs):
        """A list of the nearest songs for each song."""
        answers = []
        for text in songs:
            query = self.library.query(text)
            answers.append((query.name, self._nearest([query], query.vector)))
        return answers

    def like(self, terms):
        """One list, of the songs nearest to a sum: +A adds A, -A takes it away, A alone
        adds.
        """
        signed = [term if term[:1] in ("+", "-") else f"+{term}" for term in terms]
        queries = [(term[0], self._term(term)) for term in signed]
        plus = [query.vector for sign, query in queries if sign == "+"]
        minus = [query.vector for sign, query in queries if sign == "-"]
        title = " ".join(f"{sign}{query.name}" for sign, query in queries)
        asked = [query for _, query in queries]
        return [(title, self._nearest(asked, combine(plus, minus)))]

    def path(self, songs, steps=None):
        """One list, from the first of two songs to the second in so many steps."""
        start, end = map(self.library.query, songs)
        if start.name == end.name:
            raise InputError(f"{start.name}: a path needs two songs")
        steps = steps or max(1, self.top - 1)
        ends = [(query.row, query.vector) for query in (start, end)]
        rows = path_between(self.search, ends, steps, self.rules)
        between = map(self.library.song, rows)
        return [(f"{start.name} to {end.name}", self._chain(start, *between, end))]

    def playlist(self, song, drift, seconds_of=None, length=None):
        """One list that begins with a song and drifts away from it.

        It has `top` songs, or lasts at least `length` seconds, where a song lasts
        seconds_of(row, name).
        """
        seed = self.library.query(song)
        selection = Selection(self.library.unit, self.rules)
        selection.enter(seed.row, seed.vector)
        if length is None:

            def wanted(rows):
                return len(rows) < self.top - 1
        else:
            lasting = Lasting(self.library, seconds_of, seconds_of(seed.row, seed.name))

            def wanted(rows):
                return lasting.seconds(rows) < length

        rows = playlist(self.search, seed.vector, selection, drift, wanted)
        if wanted(rows):
            warn(f"no song is left; the list ends after {len(rows) + 1} songs")
        return [(f"from {seed.name}", self._chain(seed, *map(self.library.song, rows)))]

    def _term(self, term):
        """The song of one term; where there is none, an option may be misspelled."""
        try:
            return self.library.query(term[1:])
        except InputError as error:
            if not term.startswith("--"):
                raise
            raise InputError(f"{error} (and there is no option {term})") from error

    def _nearest(self, asked, vector):
        """Entries of the songs nearest to a unit vector, without those asked for."""
        library = self.library
        selection = Selection(library.unit, self.rules)
        for query in asked:
            selection.leave_out(query.row, query.vector)
        rows = first(ranked(self.search, vector), self.top, selection)
        return [library.entry(row, library.names[row], library.unit[row] @ vector) for row in rows]

    def _chain(self, *queries):
        """Entries of songs in a row, each with its similarity to the one before."""
        entries = [self.library.entry(queries[0].row, queries[0].name, None)]
        for before, query in pairwise(queries):
            similarity = before.vector @ query.vector
            entries.append(self.library.entry(query.row, query.name, similarity))
        return entries


class Lasting:
    """How long a growing list of songs lasts; each song's duration is asked for once."""

    def __init__(self, library, seconds_of, start):
        self.library = library
        self.seconds_of = seconds_of
        self.start = start
        self.durations = []

    def seconds(self, rows):
        """The seconds of the start and of the songs in `rows`."""
        for row in rows[len(self.durations) :]:
            self.durations.append(self.seconds_of(row, self.library.names[row]))
        return self.start + sum(self.durations)
