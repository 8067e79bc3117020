// Colours of a picture turned to where its detail is: six bytes (bitstreams/FORMAT.md, section 5, Pixels; codec/network/colour_axes.py).

export const TURN_BYTES = 6;
const STEPS = 511; // of each component of the quaternion, either side of 0
const CENTRE_STEPS = 63;

/** The rotation and centre that six bytes hold; any six bytes hold some. */
export function unpackTurn(bytes) {
  let packed = 0n;
  for (let place = TURN_BYTES - 1; place >= 0; place--) packed = (packed << 8n) | BigInt(bytes[place]);
  const take = (bits) => {
    const value = Number(packed & ((1n << bits) - 1n));
    packed >>= bits;
    return value;
  };
  const rotation = [take(10n), take(10n), take(10n)].map((part) => part - STEPS);
  return { rotation, centre: [take(6n), take(6n), take(6n)] };
}

/** The inverse. */
export function packTurn(turn) {
  let packed = 0n,
    place = 0n;
  for (const [values, bits, more] of [
    [turn.rotation, 10n, STEPS],
    [turn.centre, 6n, 0],
  ])
    for (const value of values) {
      packed |= BigInt(value + more) << place;
      place += bits;
    }
  return Uint8Array.from({ length: TURN_BYTES }, (_, index) => Number((packed >> BigInt(8 * index)) & 255n));
}

/** The rotation matrix, nine numbers, row by row. */
function matrix([a, b, c]) {
  let [x, y, z] = [a / STEPS, b / STEPS, c / STEPS];
  const length = Math.hypot(x, y, z),
    w = Math.sqrt(Math.max(0, 1 - length * length));
  [x, y, z] = [x, y, z].map((part) => part / Math.max(1, length));
  return [
    1 - 2 * (y * y + z * z),
    2 * (x * y - z * w),
    2 * (x * z + y * w),
    2 * (x * y + z * w),
    1 - 2 * (x * x + z * z),
    2 * (y * z - x * w),
    2 * (x * z - y * w),
    2 * (y * z + x * w),
    1 - 2 * (x * x + y * y),
  ];
}

const IDENTITY = [1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0];

/** (3, 4): what colours are turned by, a rotation and an offset; `turn` may be null for none. */
export function affine(turn) {
  if (!turn) return Float32Array.from(IDENTITY);
  const rotation = matrix(turn.rotation),
    centre = turn.centre.map((part) => part / CENTRE_STEPS);
  const mean = (centre[0] + centre[1] + centre[2]) / 3;
  return Float32Array.from({ length: 12 }, (_, place) => {
    const row = Math.floor(place / 4),
      column = place % 4;
    return column < 3
      ? rotation[3 * row + column]
      : mean - centre.reduce((sum, part, i) => sum + rotation[3 * row + i] * part, 0);
  });
}

/** The inverse of `affine`, of the same form. */
export function inverse(turn) {
  const forward = affine(turn);
  return Float32Array.from({ length: 12 }, (_, place) => {
    const row = Math.floor(place / 4),
      column = place % 4;
    if (column < 3) return forward[4 * column + row];
    return -(forward[row] * forward[3] + forward[4 + row] * forward[7] + forward[8 + row] * forward[11]);
  });
}
