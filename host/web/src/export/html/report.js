// The report's own script: draws the charts, switches language and colours, sorts the table.
const data = JSON.parse(document.getElementById('data').textContent);
const root = document.documentElement;
const zh = () => root.lang.startsWith('zh');

function say(key, values) {
  const pair = data.words[key];
  const text = pair ? pair[zh() ? 1 : 0] : key;
  return (values || []).reduce((words, value, i) => words.split(`{${i}}`).join(value), text);
}

function short(value) {
  if (value === null || value === undefined) return '–';
  const size = Math.abs(value);
  if (size === 0) return '0';
  if (size >= 1e6) return `${+(value / 1e6).toPrecision(3)}M`;
  if (size >= 1e4) return `${+(value / 1e3).toPrecision(3)}k`;
  return String(size >= 100 ? Math.round(value) : +value.toPrecision(3));
}

function show(unit, value) {
  if (value === null || value === undefined) return '–';
  if (unit === 'percent') return `${+(value * 100).toPrecision(3)} %`;
  if (unit === 'ms') return value < 1000 ? `${short(value)} ms` : `${+(value / 1000).toPrecision(3)} s`;
  return short(value);
}

function clock(seconds) {
  const s = Math.max(0, Math.floor(seconds));
  const two = (n) => String(n).padStart(2, '0');
  return s >= 3600 ? `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}` : `${Math.floor(s / 60)}:${two(s % 60)}`;
}

function specs() {
  const line = (key, label, color, more) => ({ key, label, color: `--s-${color}`, ...more });
  const all = [
    { id: 'rate', title: say('chart_rate'), unit: 'rate', max: 1, series: [line('rps', say('s_requests'), 'rate', { fill: true, width: 1.8 }), line('fps', say('s_failures'), 'fail', { fill: true, width: 1.8 })] },
    { id: 'response', title: say('chart_response'), unit: 'ms', series: [line('response_p50', 'p50', 'p50'), line('response_p95', 'p95', 'p95', { width: 1.8 }), line('response_p99', 'p99', 'p99'), line('service_p95', say('s_service_p95'), 'v95', { dash: [4, 3], width: 1.2 })] },
    { id: 'users', title: say('chart_users'), unit: 'count', max: 1, series: [line('users', say('s_running'), 'users', { fill: true, width: 1.8 }), line('users_wanted', say('s_wanted'), 'wanted', { dash: [4, 3] })] },
    { id: 'service', title: say('chart_service'), unit: 'ms', series: [line('service_p50', 'p50', 'v50'), line('service_p95', 'p95', 'v95', { width: 1.8 }), line('service_p99', 'p99', 'v99')] },
    { id: 'arrivals', title: say('chart_arrivals'), unit: 'rate', max: 1, series: [line('rate_wanted', say('s_wanted'), 'wanted', { dash: [4, 3] }), line('dropped', say('s_dropped'), 'drop', { fill: true, width: 1.8 })] },
    { id: 'generator', title: say('chart_generator'), unit: 'percent', max: 1, series: [line('cpu', say('s_cpu'), 'cpu', { fill: true })] },
  ];
  return all.filter((spec) => spec.id !== 'arrivals' || data.arrivals);
}

// Of users and CPU the most there were; all else is the run's own total.
function whole() {
  if (!data.whole) return null;
  return { label: say('charts_whole'), values: { ...data.whole, ...mostOf(data.points) } };
}

function marks() {
  const full = rampEnd(data.points);
  return full ? [...data.marks, { t: full.t, kind: 'info', text: say('mark_full', [show('count', full.users)]) }] : data.marks;
}

const host = document.getElementById('plots');
let charts = null;

function draw() {
  if (!host) return;
  if (charts) charts.destroy();
  host.replaceChildren();
  const words = { value: show, axis: show, time: clock, empty: say('charts_none'), series: say('series') };
  charts = new Charts(uPlot, host, { specs: specs(), words });
  // Read-only, for tests: what is drawn.
  host.charts = charts;
  charts.setData(data.points, marks(), whole());
  // There are few points, so nothing waits until it is scrolled to.
  for (const chart of charts.charts) chart.show(true);
}

function remember(key, value) {
  try {
    localStorage.setItem(`loadhost.report.${key}`, value);
  } catch {
    // A file that is not allowed to remember forgets.
  }
}

document.getElementById('lang').addEventListener('click', () => {
  root.lang = zh() ? 'en' : 'zh-Hans';
  for (const element of document.querySelectorAll('[data-t]')) {
    element.textContent = say(element.dataset.t, element.dataset.v ? JSON.parse(element.dataset.v) : []);
  }
  const filter = document.querySelector('.filter');
  if (filter) filter.placeholder = say('filter');
  draw();
});

const dark = () => (root.dataset.theme || (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';
function paint(theme) {
  if (theme) root.dataset.theme = theme;
  else delete root.dataset.theme;
  if (charts) charts.restyle();
}
document.getElementById('theme').addEventListener('click', () => {
  paint(dark() ? 'light' : 'dark');
  remember('theme', root.dataset.theme);
});
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => charts && charts.restyle());

// On paper: light, each chart drawn, as wide as the paper.
let before = null;
addEventListener('beforeprint', () => {
  before = root.dataset.theme || '';
  root.dataset.theme = 'light';
  if (!host) return;
  host.style.width = '690px';
  host.style.display = 'block';
  for (const chart of charts.charts) {
    chart.show(true);
    chart.resize();
  }
  charts.restyle();
});
addEventListener('afterprint', () => {
  paint(before);
  if (!host) return;
  host.style.width = host.style.display = '';
  for (const chart of charts.charts) chart.resize();
});
document.getElementById('print').addEventListener('click', () => print());

function value(cell) {
  const text = cell.textContent.replace(/,/g, '').trim();
  const factor = { kB: 1e3, MB: 1e6, GB: 1e9 }[text.split(' ')[1]] || 1;
  const number = parseFloat(text.replace(/^</, ''));
  return Number.isNaN(number) ? null : number * factor;
}

const table = document.getElementById('by-name');
if (table) {
  const body = table.tBodies[0];
  const heads = [...table.tHead.rows[1].cells];
  heads.forEach((head, column) => {
    const button = document.createElement('button');
    button.type = 'button';
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener('click', () => {
      const down = head.getAttribute('aria-sort') !== (column ? 'descending' : 'ascending');
      const order = column ? (down ? 'descending' : 'ascending') : down ? 'ascending' : 'descending';
      for (const other of heads) other.removeAttribute('aria-sort');
      head.setAttribute('aria-sort', order);
      const sign = order === 'ascending' ? 1 : -1;
      const rows = [...body.rows].map((row) => [column ? value(row.cells[column]) : row.cells[0].textContent, row]);
      rows.sort(([a], [b]) => (a === null ? 1 : b === null ? -1 : sign * (column ? a - b : a.localeCompare(b))));
      body.append(...rows.map(([, row]) => row));
    });
  });
  if (body.rows.length > 12) {
    const filter = document.createElement('input');
    filter.className = 'filter';
    filter.type = 'search';
    filter.placeholder = say('filter');
    filter.setAttribute('aria-label', say('filter'));
    filter.addEventListener('input', () => {
      const wanted = filter.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.cells[0].textContent.toLowerCase().includes(wanted);
    });
    table.parentElement.before(filter);
  }
}

try {
  const theme = localStorage.getItem('loadhost.report.theme');
  if (theme && !root.dataset.theme) root.dataset.theme = theme;
} catch {
  // See above.
}
draw();
