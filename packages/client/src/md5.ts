// RFC 1321 §3.4: what each step adds is the sine of its number, and how far it turns repeats by fours.
const sines = Uint32Array.from({ length: 64 }, (_, step) => Math.abs(Math.sin(step + 1)) * 2 ** 32);
const turns = [7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21];
const blockBytes = 64;

/** MD5 (RFC 1321), which WebCrypto leaves out: broken, and for those alone who ask for it. */
export function md5(message: Uint8Array): Uint8Array {
  // Behind the message a bit, then zeros, then its length in bits.
  const padded = new Uint8Array((((message.length + 8) >> 6) + 1) * blockBytes);
  padded.set(message);
  padded[message.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, message.length << 3, true);
  view.setUint32(padded.length - 4, message.length >>> 29, true);
  const state = Int32Array.of(0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476);
  for (let offset = 0; offset < padded.length; offset += blockBytes) mix(state, view, offset);
  const digest = new DataView(new ArrayBuffer(16));
  for (const [index, word] of state.entries()) digest.setInt32(index * 4, word, true);
  return new Uint8Array(digest.buffer);
}

function mix(state: Int32Array, block: DataView, offset: number): void {
  let [a, b, c, d] = state as unknown as [number, number, number, number];
  for (let step = 0; step < 64; step++) {
    const round = step >> 4;
    const mixed = [(b & c) | (~b & d), (d & b) | (~d & c), b ^ c ^ d, c ^ (b | ~d)][round]!;
    const word = [step, 5 * step + 1, 3 * step + 5, 7 * step][round]! & 15;
    const sum = (a + mixed + sines[step]! + block.getInt32(offset + word * 4, true)) | 0;
    const turn = turns[round * 4 + (step & 3)]!;
    a = d;
    d = c;
    c = b;
    b = (b + ((sum << turn) | (sum >>> (32 - turn)))) | 0;
  }
  state[0]! += a;
  state[1]! += b;
  state[2]! += c;
  state[3]! += d;
}

/** HMAC (RFC 2104) with MD5. */
export function hmacMd5(secret: Uint8Array, message: Uint8Array): Uint8Array {
  const key = secret.length > blockBytes ? md5(secret) : secret;
  return md5(joined(key, 0x5c, md5(joined(key, 0x36, message))));
}

/** A block of the key, each byte of it changed, and the message. */
function joined(key: Uint8Array, change: number, message: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(blockBytes + message.length);
  bytes.set(key);
  for (let index = 0; index < blockBytes; index++) bytes[index]! ^= change;
  bytes.set(message, blockBytes);
  return bytes;
}
