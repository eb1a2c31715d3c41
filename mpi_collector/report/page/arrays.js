"use strict";
// The arrays of the page: base64 of zlib of all, one behind the other; the bytes of floats by their place in the number.
async function unpackArrays(text, kinds) {
  const packed = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("deflate"));
  const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
  const sizes = { u1: 1, f4: 4, f8: 8 }, types = { u1: Uint8Array, f4: Float32Array, f8: Float64Array };
  const starts = [];
  let end = 0;
  for (const [kind, length] of kinds) {
    starts.push(end);
    end += sizes[kind] * length;
  }
  const known = [];
  return (n) => {  // a typed array; NaN is unknown
    if (n === null || known[n]) return n === null ? null : known[n];
    const [kind, length] = kinds[n], size = sizes[kind];
    const part = bytes.subarray(starts[n], starts[n] + size * length), out = new Uint8Array(size * length);
    for (let plane = 0, from = 0; plane < size; plane++) {
      for (let to = plane; to < out.length; to += size) out[to] = part[from++];
    }
    known[n] = new types[kind](out.buffer);
    return known[n];
  };
}
