/** Pixels of one image: uint8, row by row, the channels of a pixel together. */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Why an image cannot be used, in words for who sent it. */
export class ImageProblem extends Error {}
