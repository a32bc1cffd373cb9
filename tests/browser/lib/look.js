// What a person would look at: contrast, room, names of controls, colours of a chart.

/** What a test finds by this name. @param {string} name */
export const id = (name) => `[data-testid="${name}"]`;

/** Waits until the run of a page is in this state. */
export const state = (page, wanted, timeout = 30_000) => page.locator(`${id('run-state')}[data-state="${wanted}"]`).first().waitFor({ timeout });

/** Texts whose contrast with what lies behind them is too small (WCAG 2: 4.5, and 3 for large text). */
export const lowContrast = (page) =>
  page.evaluate(() => {
    const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
    // Whatever notation a colour is in, painting it says what it is.
    const known = new Map();
    const rgba = (text) => {
      if (!known.has(text)) {
        probe.clearRect(0, 0, 1, 1);
        probe.fillStyle = text;
        probe.fillRect(0, 0, 1, 1);
        const [r, g, b, a] = probe.getImageData(0, 0, 1, 1).data;
        known.set(text, [r, g, b, a / 255]);
      }
      return known.get(text);
    };
    const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
    const light = ([r, g, b]) => {
      const part = (value) => (value / 255 <= 0.04045 ? value / 255 / 12.92 : ((value / 255 + 0.055) / 1.055) ** 2.4);
      return 0.2126 * part(r) + 0.7152 * part(g) + 0.0722 * part(b);
    };
    const behind = (element) => {
      const layers = [];
      for (let at = element; at; at = at.parentElement) layers.unshift(rgba(getComputedStyle(at).backgroundColor));
      return layers.reduce((under, layer) => over(layer, under), [255, 255, 255, 1]);
    };
    const opacity = (element) => {
      let value = 1;
      for (let at = element; at; at = at.parentElement) value *= Number(getComputedStyle(at).opacity);
      return value;
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      const words = node.textContent.trim();
      if (!words || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
      if (element.closest(':disabled, [aria-disabled="true"], option, script, noscript')) continue;
      const box = element.getBoundingClientRect();
      if (box.width <= 1 || box.height <= 1) continue;
      const style = getComputedStyle(element);
      const back = behind(element);
      const [r, g, b, a] = rgba(style.color);
      const [one, two] = [light(over([r, g, b, a * opacity(element)], back)), light(back)].sort((x, y) => y - x);
      const ratio = (one + 0.05) / (two + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) found.push(`${ratio.toFixed(2)} "${words.slice(0, 40)}" ${style.color} on rgb(${back.slice(0, 3).map(Math.round)}) in ${element.tagName.toLowerCase()}.${element.className}`);
    }
    return [...new Set(found)];
  });

/** What reaches beyond the right edge, where the page would have to be pushed sideways; and words that are cut off without a sign. */
export const tooWide = (page) =>
  page.evaluate(() => {
    const root = document.scrollingElement;
    const name = (element) => `${element.tagName.toLowerCase()}.${element.className?.baseVal ?? element.className}`;
    const found = root.scrollWidth > root.clientWidth ? [`the page is ${root.scrollWidth} wide of ${root.clientWidth}`] : [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walker.nextNode(); node; node = walker.nextNode()) {
      const element = node.parentElement;
      if (!node.textContent.trim() || !element.checkVisibility({ checkOpacity: true, checkVisibilityCSS: true })) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const { right, width } = range.getBoundingClientRect();
      if (width <= 1) continue;
      let edge = root.clientWidth;
      let limit = 'page';
      for (let at = element; at && at !== document.body; at = at.parentElement) {
        const { overflowX, textOverflow, clipPath } = getComputedStyle(at);
        const box = at.getBoundingClientRect();
        // What can be scrolled or ends in dots can be had; what is one pixel small is for screen readers.
        if (overflowX === 'auto' || overflowX === 'scroll' || textOverflow === 'ellipsis' || clipPath !== 'none' || box.width <= 1) {
          edge = Infinity;
          break;
        }
        if ((overflowX === 'hidden' || overflowX === 'clip') && box.right < edge) [edge, limit] = [box.right, name(at)];
      }
      if (right > edge + 1) found.push(`"${node.textContent.trim().slice(0, 30)}" in ${name(element)} reaches ${Math.round(right)}, and ${limit} ends at ${Math.round(edge)}`);
    }
    return [...new Set(found)];
  });

const CONTROLS = new Set(['button', 'link', 'textbox', 'searchbox', 'checkbox', 'radio', 'combobox', 'listbox', 'slider', 'spinbutton', 'switch', 'tab', 'menuitem', 'dialog', 'img', 'treegrid', 'progressbar', 'meter']);

/** Controls that the browser's accessibility tree has no name for. */
export async function nameless(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  const found = [];
  for (const node of nodes) {
    if (node.ignored || !CONTROLS.has(node.role?.value) || node.name?.value?.trim()) continue;
    const { node: dom } = await session.send('DOM.describeNode', { backendNodeId: node.backendDOMNodeId });
    found.push(`${node.role.value}: <${dom.localName} ${(dom.attributes ?? []).join(' ')}>`);
  }
  await session.detach();
  return found;
}

/** What the charts hold and what they have painted: for each series its label, values, colour, and how many of its points show that colour. */
export const charts = (page) =>
  page.evaluate(() => {
    const group = document.querySelector('[data-testid=charts]')?.charts;
    if (!group) return {};
    const near = (image, x, y, [r, g, b]) => {
      for (let dy = -2; dy <= 2; dy += 1)
        for (let dx = -2; dx <= 2; dx += 1) {
          const at = ((y + dy) * image.width + x + dx) * 4;
          const [R, G, B] = image.data.slice(at, at + 3);
          if (Math.abs(r - R) + Math.abs(g - G) + Math.abs(b - B) < 60) return true;
        }
      return false;
    };
    return Object.fromEntries(
      group.charts.map((chart) => {
        const { plot, spec } = chart;
        if (!plot) return [spec.id, null];
        // Read from a copy: reading back the drawing itself would make the browser draw it another way from then on.
        const { width, height } = plot.ctx.canvas;
        const copy = new OffscreenCanvas(width, height).getContext('2d', { willReadFrequently: true });
        copy.drawImage(plot.ctx.canvas, 0, 0);
        const image = copy.getImageData(0, 0, width, height);
        const series = spec.series.map((wanted, n) => {
          const values = plot.data[n + 1];
          const stroke = plot.series[n + 1].stroke(plot, n + 1);
          const colour = stroke.match(/[\d.]+/g).map(Number);
          let there = 0;
          let painted = 0;
          for (let i = 0; i < values.length; i += 1) {
            if (values[i] === null) continue;
            there += 1;
            const x = Math.round(plot.valToPos(plot.data[0][i], 'x', true));
            const y = Math.round(plot.valToPos(values[i], 'y', true));
            if (near(image, x, y, colour)) painted += 1;
          }
          return [wanted.key, { label: wanted.label, colour: stroke, values: [...values], there, painted }];
        });
        return [spec.id, { t: [...plot.data[0]], series: Object.fromEntries(series) }];
      }),
    );
  });

/** Whether the background of a chart is that of seconds that do not count, at each of these seconds. @param {string} host of the charts @param {number[]} seconds @returns {Promise<boolean[]>} */
export const greyed = (page, host, seconds) =>
  page.evaluate(
    ([host, seconds]) => {
      const { charts, color, columns } = document.querySelector(host).charts;
      // Its line is far below.
      const { plot } = charts.find(({ spec }) => spec.id === 'generator');
      const { canvas } = plot.ctx;
      const probe = new OffscreenCanvas(canvas.width + 1, canvas.height).getContext('2d', { willReadFrequently: true });
      probe.drawImage(canvas, 0, 0);
      const at = (x, y) => probe.getImageData(Math.round(x), Math.round(y), 1, 1).data.join();
      /** What it looks like; on a busy machine the generator was saturated, which is painted over it. */
      const grey = (second) => {
        const saturated = columns.saturated?.[columns.t.findLastIndex((t) => t <= second)] === 1;
        probe.clearRect(canvas.width, 0, 1, 1);
        for (const band of ['--band-uncounted', ...(saturated ? ['--band-saturated'] : [])]) {
          probe.fillStyle = color(band);
          probe.fillRect(canvas.width, 0, 1, 1);
        }
        return at(canvas.width, 0);
      };
      return seconds.map((second) => at(plot.valToPos(second, 'x', true), plot.bbox.top + plot.bbox.height * 0.3) === grey(second));
    },
    [host, seconds],
  );
