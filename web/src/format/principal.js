// The turn of colours for a picture (codec/network/colour_axes.py): the line along which neighbouring pixels differ most becomes grey.

const EVERY = 4; // rows: one of so many is looked at, with the one below it
const STRIP = 256; // rows that are looked at together
const STEPS = 511,
  CENTRE_STEPS = 63;
const AXES = [
  [1, 1, 1],
  [1, 0, -1],
  [-1, 2, -1],
].map((axis) => axis.map((part) => part / Math.hypot(...axis)));

/** The turn for RGBA pixels, as `packTurn` takes it; null where the picture is grey, or has no detail. */
export function principal(data, width, height) {
  const covariance = [
      [0, 0, 0],
      [0, 0, 0],
      [0, 0, 0],
    ],
    total = [0, 0, 0];
  let count = 0;
  const add = (from, to) => {
    const step = [0, 1, 2].map((channel) => data[to + channel] - data[from + channel]);
    for (let i = 0; i < 3; i++) for (let j = i; j < 3; j++) covariance[i][j] += step[i] * step[j];
  };
  for (let strip = 0; strip < height; strip += STRIP)
    for (let row = strip; row < Math.min(height, strip + STRIP); row += EVERY) {
      for (let column = 0, at = 4 * row * width; column < width; column++, at += 4) {
        for (let channel = 0; channel < 3; channel++) total[channel] += data[at + channel];
        if (column + 1 < width) add(at, at + 4);
        if (row + 1 < Math.min(height, strip + STRIP)) add(at, at + 4 * width);
      }
      count += width;
    }
  for (let i = 0; i < 3; i++) for (let j = 0; j < i; j++) covariance[i][j] = covariance[j][i];
  const flat = covariance.flat(),
    trace = covariance[0][0] + covariance[1][1] + covariance[2][2];
  if (Math.max(...flat) - Math.min(...flat) <= 1e-6 * trace) return null;
  const centre = total.map((sum) => Math.round((sum / count / 255) * CENTRE_STEPS));
  return { rotation: quaternion(aligned(eigenvectors(covariance))), centre };
}

/** Unit eigenvectors of a symmetric matrix, of the largest eigenvalue first (Jacobi's rotations). */
function eigenvectors(matrix) {
  const size = matrix.length,
    a = matrix.map((row) => [...row]);
  const vectors = a.map((_, i) => a.map((_, j) => Number(i === j)));
  for (let sweep = 0; sweep < 60; sweep++)
    for (let p = 0; p < size; p++)
      for (let q = p + 1; q < size; q++) {
        if (a[p][q] === 0) continue;
        const theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
        const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1)),
          c = 1 / Math.hypot(t, 1),
          s = t * c;
        for (const rows of [a, vectors])
          for (let k = 0; k < size; k++)
            [rows[k][p], rows[k][q]] = [c * rows[k][p] - s * rows[k][q], s * rows[k][p] + c * rows[k][q]];
        for (let k = 0; k < size; k++) [a[p][k], a[q][k]] = [c * a[p][k] - s * a[q][k], s * a[p][k] + c * a[q][k]];
      }
  return a
    .map((_, i) => i)
    .sort((i, j) => a[j][j] - a[i][i])
    .map((i) => vectors.map((row) => row[i]));
}

const determinant = ([[a, b, c], [d, e, f], [g, h, i]]) => a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g);

/** The rotation that takes orthonormal lines to `AXES`; each is pointed the nearer way. */
function aligned(lines) {
  lines = lines.map((line, i) => {
    const along = line.reduce((sum, part, j) => sum + part * AXES[i][j], 0);
    return along < 0 ? line.map((part) => -part) : line;
  });
  if (determinant(lines) * determinant(AXES) < 0) lines[2] = lines[2].map((part) => -part);
  return [0, 1, 2].map((i) => [0, 1, 2].map((j) => [0, 1, 2].reduce((sum, k) => sum + AXES[k][i] * lines[k][j], 0)));
}

/** A rotation matrix as x, y, z of a quaternion, in units of 1/511 (Bar-Itzhack, J. Guidance 2000). */
function quaternion([[a, b, c], [d, e, f], [g, h, i]]) {
  const [[w, ...rest]] = eigenvectors([
    [a + e + i, h - f, c - g, d - b],
    [h - f, a - e - i, b + d, c + g],
    [c - g, b + d, e - a - i, f + h],
    [d - b, c + g, f + h, i - a - e],
  ]);
  return rest.map((part) => Math.round(STEPS * part * (w < 0 ? -1 : 1)));
}
