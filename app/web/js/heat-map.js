// Where two pictures differ: black where they agree, through red and yellow to white.

/**
 * @param {Blob} one
 * @param {Blob} other
 * @param {{width: number, height: number}} size to which both are brought, by their centres
 * @returns {Promise<{canvas: HTMLCanvasElement, mean: number}>} and the mean absolute difference, 0 to 1
 */
export async function heatMap(one, other, { width, height }) {
  const [first, second] = await Promise.all([pixels(one, width, height), pixels(other, width, height)]);
  const canvas = Object.assign(document.createElement("canvas"), { width, height });
  const drawn = new ImageData(width, height);
  let sum = 0;
  for (let at = 0; at < drawn.data.length; at += 4) {
    const apart =
      (Math.abs(first[at] - second[at]) +
        Math.abs(first[at + 1] - second[at + 1]) +
        Math.abs(first[at + 2] - second[at + 2])) /
      765;
    sum += apart;
    const heat = Math.min(1, apart * 3) * 3;
    drawn.data.set([heat * 255, (heat - 1) * 255, (heat - 2) * 255, 255], at);
  }
  canvas.getContext("2d").putImageData(drawn, 0, 0);
  return { canvas, mean: sum / (width * height) };
}

/** RGBA of a picture's centre, scaled. */
async function pixels(blob, width, height) {
  const bitmap = await createImageBitmap(blob);
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  const scale = Math.max(width / bitmap.width, height / bitmap.height);
  const [w, h] = [bitmap.width * scale, bitmap.height * scale];
  context.imageSmoothingQuality = "high";
  context.drawImage(bitmap, (width - w) / 2, (height - h) / 2, w, h);
  return context.getImageData(0, 0, width, height).data;
}
