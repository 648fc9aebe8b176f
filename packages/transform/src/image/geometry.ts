/** The image steps after decoding: to a size, and to its centre. Rounding is Pillow's and torchvision's. */
import { ImageProblem, type Pixels } from './pixels.ts';
import { type Filter, resample } from './resample.ts';

export type Fit = 'stretch' | 'cover' | 'contain';

/**
 * @param size [height, width], or the length of the shorter side
 * @param maxPixels of the result: the longer side follows from the shorter one
 * @throws ImageProblem
 */
export function resize(
  image: Pixels,
  size: readonly [number, number] | number,
  fit: Fit,
  filter: Filter,
  maxPixels: number,
): Pixels {
  const [height, width] = typeof size === 'number' ? shorterSide(image, size) : size;
  if (height * width > maxPixels) {
    throw new ImageProblem(`the image is ${image.width} × ${image.height}, too narrow to be resized`);
  }
  if (typeof size === 'number' || fit === 'stretch') return resample(image, height, width, filter);
  const scale = (fit === 'cover' ? Math.max : Math.min)(height / image.height, width / image.width);
  const scaled = (side: number): number => Math.max(1, roundHalfEven(side * scale));
  // The side that decides is exactly the wanted one, whatever rounding says of it.
  const [h, w] = scale === height / image.height ? [height, scaled(image.width)] : [scaled(image.height), width];
  if (h * w > maxPixels) {
    throw new ImageProblem(`the image is ${image.width} × ${image.height}, too narrow to be resized`);
  }
  const resized = resample(image, h, w, filter);
  return fit === 'cover' ? crop(resized, [height, width]) : pad(resized, height, width);
}

/** As `torchvision.transforms.Resize(size)`: the longer side is rounded down. */
function shorterSide({ height, width }: Pixels, size: number): readonly [number, number] {
  const long = Math.floor((size * Math.max(height, width)) / Math.min(height, width));
  return height <= width ? [size, long] : [long, size];
}

/** The centre. @throws ImageProblem when the image is smaller */
export function crop(image: Pixels, [height, width]: readonly [number, number]): Pixels {
  if (image.height < height || image.width < width) {
    throw new ImageProblem(
      `the image is ${image.width} × ${image.height} pixels, smaller than the ${width} × ${height} to be cut out of it`,
    );
  }
  return place(
    image,
    height,
    width,
    roundHalfEven((image.height - height) / 2),
    roundHalfEven((image.width - width) / 2),
  );
}

/** Black around it. */
function pad(image: Pixels, height: number, width: number): Pixels {
  const top = roundHalfEven((height - image.height) / 2);
  const left = roundHalfEven((width - image.width) / 2);
  return place(image, height, width, -top, -left);
}

/** The window of this size whose corner is at `top`, `left` of the image; outside of it is 0. */
function place({ data, channels, ...from }: Pixels, height: number, width: number, top: number, left: number): Pixels {
  const result = new Uint8Array(height * width * channels);
  const x = Math.max(0, -left);
  const taken = Math.min(width, from.width - left) - x;
  for (let y = 0; y < height; y++) {
    const row = y + top;
    if (row < 0 || row >= from.height) continue;
    const at = (row * from.width + left + x) * channels;
    result.set(data.subarray(at, at + taken * channels), (y * width + x) * channels);
  }
  return { height, width, channels, data: result };
}

/** As Python rounds. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 !== 0) ? floor + 1 : floor;
}
