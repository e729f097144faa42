// Voxels over the network, and which of them stay in memory.

const MOST_KEPT_BYTES = 2 ** 30;
const kept = new Map(); // address -> promise of bytes; the oldest go first

export function bytesAt(address, count) {
  if (!kept.has(address)) {
    const loading = fetchBytes(address, count);
    loading.catch(() => kept.delete(address));
    kept.set(address, loading);
    while (kept.size > Math.max(4, MOST_KEPT_BYTES / count)) kept.delete(kept.keys().next().value);
  }
  return kept.get(address);
}

async function fetchBytes(address, count) {
  const bytes = new Uint8Array(await (await fetched(address)).arrayBuffer());
  if (bytes.length !== count) throw new Error("the voxels are not as many as the case has");
  return bytes;
}

export async function fetched(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error((await response.text()).trim().slice(0, 200));
  return response;
}
