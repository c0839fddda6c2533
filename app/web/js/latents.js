// Geometry of latents, which are lists of numbers drawn from a normal distribution.

/**
 * Between two latents, along the sphere: what lies between is as typical as the ends (White 2016, arXiv 1609.04468).
 * @param {number[]} a
 * @param {number[]} b
 * @param {number} t 0 to 1
 */
export function slerp(a, b, t) {
  const norms = Math.hypot(...a) * Math.hypot(...b);
  const cosine = a.reduce((sum, value, index) => sum + value * b[index], 0) / (norms || 1);
  const angle = Math.acos(Math.min(1, Math.max(-1, cosine)));
  if (angle < 1e-4) return mix(a, b, 1 - t, t);
  return mix(a, b, Math.sin((1 - t) * angle) / Math.sin(angle), Math.sin(t * angle) / Math.sin(angle));
}

function mix(a, b, ofA, ofB) {
  return a.map((value, index) => rounded(ofA * value + ofB * b[index]));
}

/**
 * A place in the plane that four latents span.
 * @param {number[][]} corners upper left, upper right, lower left, lower right
 * @param {{x: number, y: number}} at 0 to 1 from the upper left
 */
export function inPlane([upperLeft, upperRight, lowerLeft, lowerRight], { x, y }) {
  return slerp(slerp(upperLeft, upperRight, x), slerp(lowerLeft, lowerRight, x), y);
}

/**
 * A closed walk through all four corners.
 * @param {number[][]} corners
 * @param {number} frames
 */
export function around([upperLeft, upperRight, lowerLeft, lowerRight], frames) {
  const stops = [upperLeft, upperRight, lowerRight, lowerLeft, upperLeft];
  return Array.from({ length: frames }, (_, index) => {
    const at = (index / frames) * 4;
    return slerp(stops[Math.floor(at)], stops[Math.floor(at) + 1], at % 1);
  });
}

/**
 * A latent with one of its numbers changed.
 * @param {number[]} latent
 * @param {number} dimension
 * @param {number} value
 */
export function withDimension(latent, dimension, value) {
  return latent.map((own, index) => (index === dimension ? value : own));
}

/** Six digits hold all that the model's half precision can tell. */
function rounded(value) {
  return Number(value.toFixed(6));
}
