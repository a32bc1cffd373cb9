// Expressions over workers' tags, as the program reads them: `region=eu && type!=small`.

/** @typedef {(tags: Record<string, string>) => boolean} Matches */

/** @param {string} text @returns {Matches | null} null: it cannot be read; the server says why */
export function placement(text) {
  const tokens = text.match(/&&|\|\||!=|[()!=]|"[^"]*"|[^\s()!=&|"]+/g) ?? [];
  if (!tokens.length) return () => true;
  let at = 0;
  const word = () => {
    const token = tokens[at];
    if (token === undefined || /^(&&|\|\||!=|[()!=])$/.test(token)) return null;
    at += 1;
    return token.replace(/^"|"$/g, '');
  };
  /** @returns {Matches | null} */
  const one = () => {
    if (tokens[at] === '!') {
      at += 1;
      const inner = one();
      return inner && ((tags) => !inner(tags));
    }
    if (tokens[at] === '(') {
      at += 1;
      const inner = any();
      return inner && tokens[at++] === ')' ? inner : null;
    }
    const name = word();
    if (name === null) return null;
    const sign = tokens[at];
    if (sign !== '=' && sign !== '!=') return (tags) => name in tags;
    at += 1;
    const value = word();
    return value === null ? null : (tags) => (tags[name] === value) === (sign === '=');
  };
  /** @param {() => Matches | null} part @param {string} sign @param {(parts: Matches[], tags: Record<string, string>) => boolean} join @returns {Matches | null} */
  const chain = (part, sign, join) => {
    /** @type {Matches[]} */
    const parts = [];
    do {
      const next = part();
      if (!next) return null;
      parts.push(next);
    } while (tokens[at] === sign && ++at);
    return (tags) => join(parts, tags);
  };
  /** @returns {Matches | null} */
  const all = () => chain(one, '&&', (parts, tags) => parts.every((part) => part(tags)));
  /** @returns {Matches | null} */
  const any = () => chain(all, '||', (parts, tags) => parts.some((part) => part(tags)));
  const whole = any();
  return at === tokens.length ? whole : null;
}
