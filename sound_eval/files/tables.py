"""Tables: CSV, written and read in one way, so that what a spreadsheet would run as a
formula is text in it and comes back as it was; and Markdown.

Conventions
-----------
A table is its column names and its rows; values are read as text. Written are UTF-8,
commas (or the separator given), quotes where they are needed, line ends `\\n`. A text
that begins like a formula, with = + - @ or a tab, gets an apostrophe before it, unless
it is a plain number; the apostrophe is taken off again when it is read. So that every
text comes back as it was, one that has such an apostrophe already gets another.
Numbers, as Python has them, are written as they are.
"""

import csv
import io
import itertools
import re
from pathlib import Path

from sound_eval.errors import InputError
from sound_eval.files.outputs import write_output

# with the wide forms, which some spreadsheets take as well
FORMULA = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
ESCAPED = re.compile(f"'+{FORMULA.pattern}")
NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
QUOTED = re.compile('[",;\t\r\n]|^\\s|\\s$')
SEPARATORS = ",;\t"
LONGEST_VALUE = 1 << 24  # letters; beyond it a quote was never closed


def guarded(text):
    """`text` as a spreadsheet takes it for text."""
    formula = FORMULA.match(text) and not NUMBER.fullmatch(text)
    return f"'{text}" if formula or ESCAPED.match(text) else text


def unguarded(text):
    """The text that `guarded` was given."""
    return text[1:] if text[:1] == "'" and ESCAPED.match(text) else text


def _field(value, separator=","):
    """One value of a row: numbers with nine digits, which tell every float32 from the next."""
    if isinstance(value, float):
        return f"{value:.9g}"
    if not isinstance(value, str):
        return "" if value is None else str(value)
    text = guarded(value)
    if not QUOTED.search(text) and separator not in text:
        return text
    return '"' + text.replace('"', '""') + '"'


def csv_lines(columns, rows, separator=","):
    """The lines of a CSV file, one after the other."""
    for row in itertools.chain([columns], rows):
        yield separator.join([_field(value, separator) for value in row]) + "\n"


def csv_text(columns, rows):
    """A CSV file as text."""
    return "".join(csv_lines(columns, rows))


def frame_text(table):
    """A DataFrame as the text of a CSV file."""
    return csv_text(table.columns, table.itertuples(index=False, name=None))


def write_csv(path, kind, columns, rows):
    """Write a CSV file as an output of a kind; raises InputError as `outputs.write_output`."""
    with write_output(path, kind, "w", encoding="utf-8", newline="") as file:
        file.writelines(csv_lines(columns, rows))


def _markdown_lines(columns, rows):
    """The lines of a table in Markdown, one after the other."""
    for row in itertools.chain([columns, ["---"] * len(columns)], rows):
        cells = [str(cell).replace("|", "\\|") for cell in row]
        yield "| " + " | ".join(cells) + " |\n"


def markdown_table(columns, rows):
    """A table in Markdown as text."""
    return "".join(_markdown_lines(columns, rows))


def print_markdown(columns, rows):
    """Print a table in Markdown, each row as it comes."""
    for line in _markdown_lines(columns, rows):
        print(line, end="", flush=True)


def read_csv(path, expected=""):
    """A CSV file of text as a dict column name, without blanks around -> list of values.

    Separated by commas, semicolons or tabs, whichever gives a column `expected` (in any
    case), and the most columns. Columns without a name are left out. Raises InputError
    that names the file and what is wrong.
    """
    path = Path(path)
    text = _decoded(path.read_bytes(), path)
    separator = _separator_of(text, expected)
    rows = _records(text, separator, path)
    header = [unguarded(name.strip()) for name in next(rows, (0, []))[1]]
    if not header:
        raise InputError(f"{path}: is empty; expected a CSV file with a header")
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}: two columns are named {twice!r}; rename one")
    values = []
    for number, row in rows:
        is_whole = len(row) == len(header)
        values.append(row if is_whole else _fitted(row, len(header), number, separator, path))
    columns = zip(*values, strict=True) if values else [()] * len(header)
    named = zip(header, columns, strict=True)
    return {name: [*map(unguarded, column)] for name, column in named if name}


def _decoded(data, path):
    """The text of a CSV file.

    Raises InputError for what is none, or in another encoding than UTF-8.
    """
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(f"{path}: UTF-16 text; save it as UTF-8")
    if data.startswith(b"PK\x03\x04"):
        raise InputError(f"{path}: a spreadsheet or another archive; save it as CSV, in UTF-8")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}: line {line} is not UTF-8 ({error.reason}); save the file as UTF-8"
        ) from error
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise InputError(
            f"{path}: line {line} holds a NUL character; is it a CSV file, and in UTF-8?"
        )
    return text


def _separator_of(text, expected):
    """What the columns of the first line are separated by."""
    header = re.split("[\r\n]", text.lstrip("\r\n"), maxsplit=1)[0]

    def fitness(separator):
        names = next(csv.reader([header], delimiter=separator, skipinitialspace=True), [])
        return expected in [name.strip().casefold() for name in names], len(names)

    return max(SEPARATORS, key=fitness)


def _records(text, separator, path):
    """(line number, values) of every record that holds something.

    Raises InputError where quotes do not match.
    """
    csv.field_size_limit(LONGEST_VALUE)
    lines = io.StringIO(text, newline="")
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=True)
    line = 1
    try:
        for row in reader:
            if any(row):
                yield line, row
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{path}: line {line} is not readable as CSV ({error}); do its quotes match?"
        ) from error


def _fitted(row, n_columns, number, separator, path):
    """`row` with as many values as the header has names.

    Raises InputError where it holds more, which would shift them.
    """
    if any(row[n_columns:]):
        raise InputError(
            f"{path}: line {number} has {len(row)} values and the header {n_columns} names; "
            f"a value with {separator!r} in it needs quotes"
        )
    return [*row[:n_columns], *[""] * (n_columns - len(row))]
