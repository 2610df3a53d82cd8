/** Responses of `/logs/{run_id}/{job_id}/…` (app/server/log_routes.py) and the data of the Streamlit component. */

/** A problem in the log: line, kind, text. */
export type Mark = [line: number, kind: "error" | "warning", text: string];

/** First and last line of a foldable group. */
export type Group = [first: number, last: number];

export interface Outline {
  name: string;
  /** Number of lines that can be displayed. */
  lines: number;
  /** Number of lines beyond the display limit; the download has them. */
  left_out: number;
  /** Whether the stored log is shorter than GitHub's. */
  truncated: boolean;
  /** The line that explains the failure. */
  cause: number | null;
  groups: Group[];
  errors: number;
  warnings: number;
  /** The first errors and warnings, by line. */
  marks: Mark[];
}

export interface Style {
  /** Text colour in light and in dark mode. */
  text?: [light: string, dark: string];
  /** Background colour; the same in both modes. */
  ground?: [light: string, dark: string];
  bold?: 1;
  dim?: 1;
  italic?: 1;
  underline?: 1;
  strike?: 1;
}

/** Text and the index of its style in the chunk. */
export type Piece = [text: string, style: number];

/** Time in milliseconds since 1970 UTC, kind, text, and the number of characters left out. */
export type RawLine = [at: number | null, kind: string, content: string | Piece[], cut: number];

export interface Chunk {
  from: number;
  lines: RawLine[];
  styles: Style[];
}

export interface Line {
  at: number | null;
  kind: string;
  content: string | Piece[];
  cut: number;
  styles: Style[];
}

export interface SearchResult {
  /** Number of matching lines; a lower bound if `more` is true. */
  count: number;
  more: boolean;
  /** The first matching lines. */
  lines: number[];
}

/** Selected lines; `anchor` is the fixed end while a selection is extended. */
export interface Selection {
  from: number;
  to: number;
  anchor: number;
}

/** What app/components/log_viewer.py passes to the component. */
export interface ViewerData {
  /** URL of the bundle. */
  script: string;
  /** URL of the log's endpoints, relative to the document. */
  base: string;
  /** URL of the log's own page, relative to the document. */
  page: string;
  name: string;
  /** Part of a run's page: limited height, and the selection does not change the address. */
  embedded: boolean;
  /** Lines to select, as `12` or `12-20`, or empty. */
  line: string;
  /** the text to search for, empty for none */
  find: string;
}

export interface StreamlitComponent {
  data: ViewerData;
  parentElement: HTMLElement;
}
