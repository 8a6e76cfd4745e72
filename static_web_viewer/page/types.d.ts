/* What Python hands to the page, what its parts hand to each other, and its elements by their ids. `make lint` holds
   the scripts to it (tsc --checkJs); nothing of it is in the page. A row is a song's number, 0 to n-1, in all arrays;
   a code is a value's number in its text column. */

// ---- given by Python (sound_eval/map/data.py) ----

type TypedArray = Int8Array | Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array;
/** Numbers by row. */
type Numbers = ArrayLike<number>;

/** An array as base64 of its little-endian bytes, as sound_eval/map/data.py writes it. */
interface EncodedArray {
  dtype: "int8" | "uint8" | "uint16" | "uint32" | "float32" | "float64";
  shape: number[];
  base64: string;
}

interface EncodedTexts {
  name: string;
  kind: "text";
  /** The different texts; the first is empty, for songs that have none. */
  values: string[];
  /** Of each song (n). */
  codes: EncodedArray;
}

interface EncodedNumbers {
  name: string;
  kind: "number";
  /** Of each song (n); NaN where there is none. */
  values: EncodedArray;
}

interface Cluster {
  /** As in the column "cluster". */
  name: string;
  /** Where on the map its name stands. */
  x: number;
  y: number;
  /** Rows of its most central songs. */
  central: number[];
}

/** songs.js, as data.songs_data builds it. */
interface SongsData {
  title: string;
  /** Paths of the songs (n), relative to the folder of music. */
  names: string[];
  /** The columns of labels, but for the file name. */
  columns: (EncodedTexts | EncodedNumbers)[];
  /** The column that names a song, null where the file name must do. */
  titleColumn: string | null;
  /** The column to colour by at first, null for distances. */
  colour: string | null;
  /** Places on the map (n, 2). */
  positions: EncodedArray;
  /** The share of each song's neighbours on the map that are neighbours in truth (n), 0 to 1. */
  trust: EncodedArray;
  clusters: Cluster[];
  /** How many songs the run has; the map may show fewer. */
  nInRun: number;
  /** Diameter of a point in pixels. */
  pointSize: number;
  /** What Bokeh.embed.embed_item takes. */
  figure: any;
  /** How each song is to be found (n): 0 not at all, 1 in audio/ under its name, 2 encoded in encoded/. */
  audio: EncodedArray;
  /** What is behind the name of an encoded song. */
  encodedSuffix: string;
  /** Row -> file, of songs that lie in none of these places. */
  renamed: Record<number, string>;
  /** Whether there is a spectrogram of each song (n): 1 in thumbnails/. */
  thumbnails: EncodedArray;
  thumbnailSuffix: string;
  renamedThumbnails: Record<number, string>;
}

/** vectors.js, as data.vectors_data builds it: vectors are steps times scale. */
interface VectorsData {
  /** int8 (n, dim) */
  steps: EncodedArray;
  /** float32 (dim,) */
  scale: EncodedArray;
}

// ---- between the parts of the page ----

interface Texts {
  name: string;
  kind: "text";
  values: string[];
  codes: TypedArray;
  /** Songs by code. */
  counts: Uint32Array;
  /** Codes but 0, the most frequent first. */
  order: number[];
}

interface Extent {
  low: number;
  high: number;
}

interface Measured extends Extent {
  name: string;
  kind: "number";
  numbers: TypedArray;
}

interface Point {
  x: number;
  y: number;
}

/** In pixels of the window, as a DOMRect is. */
interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

interface Near {
  row: number;
  distance: number;
}

type Chosen = Set<number>;
type Test = (row: number) => boolean;

/** What BokehJS says of a line drawn: a polygon with lists x and y, or a box. */
interface DrawnGeometry {
  type: "poly" | "rect";
  x: number[];
  y: number[];
  x0: number;
  x1: number;
  y0: number;
  y1: number;
}

// ---- the elements of index.html ----

interface Elements {
  map: HTMLElement;
  names: HTMLElement;
  tooltip: HTMLElement;
  panel: HTMLElement;
  "panel-toggle": HTMLButtonElement;
  search: HTMLInputElement;
  suggestions: HTMLUListElement;
  "color-by": HTMLSelectElement;
  legend: HTMLElement;
  central: HTMLElement;
  "central-songs": HTMLOListElement;
  "filter-column": HTMLSelectElement;
  "filter-value": HTMLSelectElement;
  "filter-range": HTMLElement;
  "filter-low": HTMLInputElement;
  "filter-high": HTMLInputElement;
  filters: HTMLUListElement;
  drag: HTMLElement;
  reset: HTMLButtonElement;
  count: HTMLElement;
  "save-m3u8": HTMLButtonElement;
  "save-csv": HTMLButtonElement;
  "hover-preview": HTMLInputElement;
  "play-on": HTMLInputElement;
  "show-trust": HTMLInputElement;
  card: HTMLElement;
  "song-title": HTMLElement;
  close: HTMLButtonElement;
  spectrogram: HTMLImageElement;
  seek: HTMLInputElement;
  previous: HTMLButtonElement;
  play: HTMLButtonElement;
  next: HTMLButtonElement;
  time: HTMLOutputElement;
  player: HTMLAudioElement;
  "audio-note": HTMLElement;
  labels: HTMLElement;
  citation: HTMLElement;
  nearest: HTMLOListElement;
  trust: HTMLElement;
}

declare const Bokeh: any;
