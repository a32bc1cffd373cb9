/** Waits until `look` gives something. @template T @param {string} what @param {() => Promise<T> | T} look @returns {Promise<T>} */
export async function eventually(what, look, patience = 30_000) {
  const deadline = Date.now() + patience;
  let last;
  for (;;) {
    try {
      const found = await look();
      if (found) return found;
      last = found;
    } catch (error) {
      last = error;
    }
    if (Date.now() > deadline) throw new Error(`${what} did not come about within ${patience} ms; last: ${last instanceof Error ? last.message : JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}
