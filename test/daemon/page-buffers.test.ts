import { describe, expect, it } from 'vitest';
import { PageBuffers } from '../../daemon/prometheus/page-buffers.js';

describe('buffers of pages', () => {
  const long = 'x'.repeat(100_000);

  it('hold the text, whatever its characters', () => {
    const buffers = new PageBuffers();
    for (const text of ['', 'a 1\n', 'µs − ’\n', long, `${long}µ`]) expect(buffers.encode(text).bytes.toString()).toBe(text);
  });

  it('are nobody else’s until they are given back, and then serve again', () => {
    const buffers = new PageBuffers();
    const first = buffers.encode(long);
    const second = buffers.encode('second');
    expect(second.bytes.buffer).not.toBe(first.bytes.buffer);
    expect(first.bytes.toString()).toBe(long);
    first.release();
    const third = buffers.encode('third');
    expect(third.bytes.buffer).toBe(first.bytes.buffer);
    first.release(); // once more: it is not its to give any more
    expect(buffers.encode('fourth').bytes.buffer).not.toBe(third.bytes.buffer);
    expect(third.bytes.toString()).toBe('third');
  });

  it('grow with the pages', () => {
    const buffers = new PageBuffers();
    buffers.encode('small').release();
    const large = buffers.encode(long);
    expect(large.bytes.toString()).toBe(long);
    large.release();
    expect(buffers.encode(long).bytes.buffer).toBe(large.bytes.buffer);
  });
});
