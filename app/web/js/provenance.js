// What a picture file says of itself: Easel writes into each what made it, PNGs in a text chunk, others in an XMP packet.

const MADE = /\beasel:made=(?:"([^"]*)"|'([^']*)')/;
const ENTITIES = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };
const KEYWORD = "easel";

/**
 * @param {Blob} blob a picture file
 * @returns {Promise<{model: string, task: string, input: Record<string, any>, seed: number | null} | null>}
 *          null for a file that does not say
 */
export async function madeBy(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const text = new TextDecoder().decode(bytes);
  const found = MADE.exec(text);
  try {
    return JSON.parse(found ? unescaped(found[1] ?? found[2]) : (textChunk(bytes) ?? "null"));
  } catch {
    return null;
  }
}

/** The text under Easel's keyword in a PNG, uncompressed (PNG specification, 11.3.3). @param {Uint8Array} bytes */
function textChunk(bytes) {
  const view = new DataView(bytes.buffer);
  const latin = new TextDecoder("latin1");
  for (let at = 8; at + 12 <= bytes.length; ) {
    const size = view.getUint32(at);
    const type = latin.decode(bytes.subarray(at + 4, at + 8));
    const data = bytes.subarray(at + 8, at + 8 + size);
    if (["tEXt", "iTXt"].includes(type) && latin.decode(data.subarray(0, KEYWORD.length + 1)) === `${KEYWORD}\0`) {
      const rest = data.subarray(KEYWORD.length + 1);
      return type === "tEXt" ? latin.decode(rest) : new TextDecoder().decode(afterTags(rest));
    }
    at += size + 12;
  }
  return null;
}

/** What follows the flags, the language and the translated keyword of an iTXt chunk. @param {Uint8Array} data */
function afterTags(data) {
  const language = data.indexOf(0, 2);
  return data.subarray(data.indexOf(0, language + 1) + 1);
}

function unescaped(text) {
  return text.replaceAll(/&(?:#(\d+)|(lt|gt|amp|quot|apos));/g, (_, code, name) =>
    name ? ENTITIES[name] : String.fromCodePoint(Number(code)),
  );
}
