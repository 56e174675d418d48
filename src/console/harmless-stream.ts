// The terminal as the commands see it: whatever is written through it is harmless, wherever the text came from. A display
// that moves the cursor itself takes the stream behind it, and makes its texts harmless on its own.
import { printable } from '../support/printable.ts';

const behind = new WeakMap<object, NodeJS.WriteStream>();

export function harmlessStream(stream: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = (text: unknown, ...rest: readonly unknown[]): boolean =>
    Reflect.apply(stream.write, stream, [typeof text === 'string' ? printable(text) : text, ...rest]) as boolean;
  const harmless = new Proxy(stream, {
    get: (target, name) => {
      if (name === 'write') return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  behind.set(harmless, stream);
  return harmless;
}

export function rawStream<S extends object>(stream: S): S | NodeJS.WriteStream {
  return behind.get(stream) ?? stream;
}
