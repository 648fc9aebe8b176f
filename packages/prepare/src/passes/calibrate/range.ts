/** What calibration finds for a tensor, and what it finds it for. */
export interface Range {
  readonly min: number;
  readonly max: number;
}

/** The quantized type a range is for: the best range for 4 bits is narrower than that for 8. */
export interface Target {
  /** How many values the type has: 256 in 8 bits. */
  readonly levels: number;
  /** Zero is the middle of the range: both ends are the same distance from it. */
  readonly symmetric: boolean;
}
