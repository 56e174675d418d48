// The only door to sharp: an image file → resized bytes, channels first. Masks are not read here (png-mask.ts): colour
// conversion must never touch class ids.
import { DataError } from './data-error.ts';
import { toPlanes } from './planes.ts';

export interface DecodeOptions {
  readonly width: number;
  readonly height: number;
  readonly channels: 'rgb' | 'grey';
}

export interface DecodedImage {
  /** [C, H, W] */
  readonly bytes: Uint8Array;
  /** Size of the file's image before resizing, for what is given in its pixels. */
  readonly originalWidth: number;
  readonly originalHeight: number;
}

/** A larger image is an accident or an attack. */
const mostPixels = 100_000_000;

/** @throws DataError naming the file and the decoder's reason. `name` is what the user calls the file. */
export async function decodeImage(path: string, name: string, options: DecodeOptions): Promise<DecodedImage> {
  const { width, height, channels } = options;
  // Only here: few jobs read image files, and every job would wait for it to load.
  const { default: sharp } = await import('sharp');
  try {
    const image = sharp(path, { limitInputPixels: mostPixels, failOn: 'error', pages: 1 });
    const { width: originalWidth, height: originalHeight, format } = await image.metadata();
    if (format !== 'png' && format !== 'jpeg') throw new Error(`its format is ${format}; PNG and JPEG are read`);
    const resized = image
      .flatten({ background: '#000' })
      .resize(width, height, { fit: 'fill', kernel: 'cubic', fastShrinkOnLoad: false });
    const plain = channels === 'grey' ? resized.toColourspace('b-w') : resized.toColourspace('srgb');
    const { data, info } = await plain.raw({ depth: 'uchar' }).toBuffer({ resolveWithObject: true });
    const wanted = channels === 'grey' ? 1 : 3;
    if (info.channels !== wanted) throw new Error(`it decodes to ${info.channels} channels; ${wanted} are needed`);
    return { bytes: toPlanes(data, 1, wanted, width * height), originalWidth, originalHeight };
  } catch (cause) {
    throw new DataError(
      `${name} cannot be read as an image: ${cause instanceof Error ? cause.message : String(cause)}`,
    );
  }
}
