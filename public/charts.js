// The element <time-chart>: one value over time, drawn by uPlot. The build puts uPlot in front of this file, and the page loads
// both when a chart is first shown (app/src/ui/chart.rs).
//
// The page sets `data`, also before this script is there: [settings, columns, marks].
//   settings  {from, to, unit, whole, flag, counted}: the range in seconds, the unit of the values, whether they are whole
//             numbers, whether they are 0 or 1, and the unit of what was counted (absent: nothing is)
//   columns   a Float64Array of five columns, one after the other: instant in seconds, mean, lowest, highest, and what was
//             counted. A row of NaN is a gap.
//   marks     [{at, until, href, text}]: what is marked on the axis of time, with a link
//
// It dispatches `chartseen` (detail: whether it is in view), `chartzoom` (detail: [from, to] in milliseconds) and `chartreset`.
// `savePng(title, name)` and `saveText(name, text)` leave files with the operator. For screen readers it holds nothing: the page
// says the same in words beside it.

const COLUMNS = 5;
// A drag that is shorter than this is a click.
const LEAST_ZOOM_PX = 5;
// What is a little below the window is drawn before it is scrolled to.
const NEAR = '160px';

const two = (number) => String(number).padStart(2, '0');
const day = (at) => `${two(at.getMonth() + 1)}-${two(at.getDate())}`;
const minute = (at) => `${two(at.getHours())}:${two(at.getMinutes())}`;
const second = (at) => `${minute(at)}:${two(at.getSeconds())}`;

// As app/src/pages/resources/scale.rs writes numbers.
function digits(value) {
  const size = Math.abs(value);
  if (size >= 99.95 || Number.isInteger(value)) return 0;
  return size < 9.995 ? 2 : 1;
}

const charts = new Set();

// What `make` makes of a reader of custom properties. Canvas knows none: a probe says what they mean in the present theme.
const withColours = (element, make) => {
  const probe = document.createElement('span');
  // A colour that changes in a transition, however short, is still the last one when it is read.
  probe.style.setProperty('transition', 'none', 'important');
  element.append(probe);
  try {
    return make((name) => {
      probe.style.color = `var(${name})`;
      return getComputedStyle(probe).color;
    });
  } finally {
    probe.remove();
  }
};

const onThemeChange = () => charts.forEach((chart) => chart.recolour());
new MutationObserver(onThemeChange).observe(document.documentElement, { attributeFilter: ['data-theme'] });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onThemeChange);

class TimeChart extends HTMLElement {
  #settings = null;
  #rows = [[], [], [], [], []];
  #marks = [];
  #plot = null;
  #isSeen = false;
  #colours = {};
  #observers = [];
  #frame;
  #readout;

  connectedCallback() {
    if (!this.#frame) {
      this.#readout = Object.assign(document.createElement('p'), { className: 'chart-readout' });
      this.#frame = Object.assign(document.createElement('div'), { className: 'chart-frame' });
      this.append(this.#readout, this.#frame);
    }
    charts.add(this);
    const resized = new ResizeObserver(() => this.#resize());
    resized.observe(this.#frame);
    const seen = new IntersectionObserver(
      (entries) => {
        this.#isSeen = entries.at(-1).isIntersecting;
        this.#tell('chartseen', this.#isSeen);
        this.#show();
      },
      { rootMargin: NEAR },
    );
    seen.observe(this);
    this.#observers = [resized, seen];
    // What was set before the element was known hides the setter.
    if (Object.hasOwn(this, 'data')) {
      const { data } = this;
      delete this.data;
      this.data = data;
    }
  }

  disconnectedCallback() {
    charts.delete(this);
    for (const observer of this.#observers) observer.disconnect();
    this.#plot?.destroy();
    this.#plot = null;
  }

  set data([settings, columns, marks]) {
    this.#settings = JSON.parse(settings);
    this.#marks = JSON.parse(marks);
    const count = columns.length / COLUMNS;
    this.#rows = Array.from({ length: COLUMNS }, (_, column) =>
      Array.from(columns.subarray(column * count, (column + 1) * count), (value, row) =>
        column > 0 && Number.isNaN(value) ? null : value,
      ),
    );
    this.#show();
  }

  recolour() {
    this.#readColours();
    this.#plot?.redraw();
  }

  savePng(title, name) {
    if (!this.#plot) return;
    const { canvas } = this.#plot.ctx;
    const ratio = devicePixelRatio || 1;
    const head = 28 * ratio;
    const picture = Object.assign(document.createElement('canvas'), {
      width: canvas.width,
      height: canvas.height + head,
    });
    const pen = picture.getContext('2d');
    pen.fillStyle = this.#colours.ground;
    pen.fillRect(0, 0, picture.width, picture.height);
    pen.fillStyle = this.#colours.text;
    pen.font = `600 ${13 * ratio}px ${this.#colours.font}`;
    pen.textBaseline = 'middle';
    pen.fillText(title, 8 * ratio, head / 2, picture.width - 16 * ratio);
    pen.drawImage(canvas, 0, head);
    picture.toBlob((blob) => save(name, blob));
  }

  saveText(name, text) {
    save(name, new Blob([text], { type: 'text/csv;charset=utf-8' }));
  }

  #tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true, detail }));
  }

  #show() {
    if (!this.#isSeen || !this.#settings || !this.isConnected) return;
    if (!this.#plot) this.#make();
    const [at, mean, low, high] = this.#rows;
    const { from, to } = this.#settings;
    this.#plot.batch(() => {
      this.#plot.setData([at, high, low, mean], false);
      this.#plot.setScale('x', { min: from, max: to });
    });
    this.#read();
  }

  #make() {
    this.#readColours();
    const colour = (name) => () => this.#colours[name];
    const axis = { stroke: colour('muted'), font: `11px ${this.#colours.font}`, ticks: { show: false } };
    const grid = { stroke: colour('grid'), width: 1 };
    const edge = { stroke: 'transparent', points: { show: false } };
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        padding: [8, 20, 0, 0],
        cursor: {
          y: false,
          points: { size: 7, fill: (plot, series) => (series === 3 ? this.#colours.line : 'transparent'), width: 0 },
          drag: { x: true, y: false, setScale: false, dist: LEAST_ZOOM_PX },
          // A drag in one chart is no drag in the others.
          sync: { key: 'time-chart', filters: { pub: (type) => type === 'mousemove' || type === 'mouseleave' } },
          bind: { dblclick: () => () => this.#tell('chartreset') },
        },
        scales: {
          x: { time: true },
          y: { range: (plot, low, high) => this.#range(high) },
        },
        axes: [
          { ...axis, grid: { show: false }, size: 26, space: 64, values: (plot, splits, _axis, _space, step) => times(splits, step) },
          {
            ...axis,
            grid,
            size: 46,
            gap: 4,
            space: 32,
            incrs: () => this.#steps(),
            values: (plot, splits) => splits.map((value) => this.#label(value)),
          },
        ],
        series: [
          {},
          edge,
          edge,
          {
            stroke: colour('line'),
            width: 1.5,
            points: { show: true, size: 4, fill: colour('line'), filter: alone },
          },
        ],
        bands: [{ series: [1, 2], fill: colour('band') }],
        hooks: {
          setCursor: [() => this.#read()],
          setSelect: [(plot) => this.#zoom(plot)],
          drawAxes: [(plot) => this.#shade(plot)],
          draw: [(plot) => this.#place(plot)],
        },
      },
      [[], [], [], []],
      this.#frame,
    );
    // Fingers scroll the page over a chart.
    this.#plot.over.style.touchAction = 'pan-y';
  }

  #size() {
    return { width: Math.max(this.#frame.clientWidth, 120), height: Math.max(this.#frame.clientHeight, 80) };
  }

  #resize() {
    if (this.#plot && this.#frame.clientWidth > 0) this.#plot.setSize(this.#size());
  }

  #range(high) {
    if (this.#settings.flag) return [0, 1.2];
    return high > 0 ? [0, uPlot.rangeNum(0, high, 0.08, true)[1]] : [0, 1];
  }

  #steps() {
    const { whole, flag } = this.#settings;
    const steps = [];
    for (let power = whole || flag ? 0 : -3; power <= 15; power += 1) {
      for (const factor of [1, 2, 5]) steps.push(Number(`${factor}e${power}`));
    }
    return steps;
  }

  #label(value) {
    if (this.#settings.flag) return ['no', 'yes'][value] ?? '';
    return value.toLocaleString('en', { maximumFractionDigits: 3 });
  }

  // The value under the cursor, else the last one.
  #read() {
    const { idx } = this.#plot.cursor;
    const [at, mean, low, high, counted] = this.#rows;
    let row = idx ?? at.length - 1;
    while (idx == null && row >= 0 && mean[row] == null) row -= 1;
    if (mean[row] == null) {
      this.#readout.textContent = idx == null ? '' : 'not measured';
      return;
    }
    const { unit, flag, counted: what } = this.#settings;
    const number = (value) => value.toLocaleString('en', {
      minimumFractionDigits: digits(value),
      maximumFractionDigits: digits(value),
    });
    const parts = [second(new Date(at[row] * 1000)), flag ? this.#label(Math.round(mean[row])) : `${number(mean[row])} ${unit}`];
    if (low[row] !== high[row]) parts.push(`${number(low[row])} to ${number(high[row])}`);
    if (what != null && counted[row] != null) parts.push(`counted ${counted[row].toLocaleString('en')} ${what}`);
    this.#readout.textContent = parts.map((part) => part.trim()).join(' · ');
    this.#readout.classList.toggle('is-hovered', idx != null);
  }

  #zoom(plot) {
    const { left, width } = plot.select;
    if (width < LEAST_ZOOM_PX) return;
    const [from, to] = [left, left + width].map((place) => Math.round(plot.posToVal(place, 'x') * 1000));
    plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
    this.#tell('chartzoom', [from, to]);
  }

  // From the beginning to the end of what is marked.
  #shade(plot) {
    const { left, top, width, height } = plot.bbox;
    plot.ctx.save();
    plot.ctx.fillStyle = this.#colours.shade;
    for (const { at, until } of this.#marks) {
      const [start, end] = [at, until].map((instant) => plot.valToPos(instant, 'x', true));
      const from = Math.max(start, left);
      const to = Math.min(Math.max(end, start + 2), left + width);
      if (to > from) plot.ctx.fillRect(from, top, to - from, height);
    }
    plot.ctx.restore();
  }

  // A flag for each mark.
  #place(plot) {
    const { from, to } = this.#settings;
    const shown = this.#marks.filter(({ at }) => at >= from && at <= to);
    const flags = [...plot.over.querySelectorAll('.chart-mark')];
    while (flags.length > shown.length) flags.pop().remove();
    shown.forEach(({ at, href, text }, index) => {
      let flag = flags[index];
      if (!flag) {
        flag = Object.assign(document.createElement('a'), { className: 'chart-mark', tabIndex: -1 });
        for (const kind of ['mousedown', 'dblclick']) flag.addEventListener(kind, (event) => event.stopPropagation());
        plot.over.append(flag);
      }
      if (flag.getAttribute('href') !== href) flag.setAttribute('href', href);
      flag.title = text;
      flag.style.left = `${plot.valToPos(at, 'x')}px`;
    });
  }

  #readColours() {
    this.#colours = withColours(this, (read) => ({
      line: read('--chart-line'),
      band: read('--chart-band'),
      grid: read('--line'),
      muted: read('--text-muted'),
      text: read('--text'),
      ground: read('--surface'),
      shade: read('--chart-shade'),
      font: getComputedStyle(this).fontFamily,
    }));
  }
}

// Values between two gaps, which no line would show.
function alone(plot, series) {
  const values = plot.data[series];
  const found = [];
  for (let row = 0; row < values.length; row += 1) {
    if (values[row] != null && values[row - 1] == null && values[row + 1] == null) found.push(row);
  }
  return found;
}

// As fine as they are apart; the day where it begins.
function times(splits, step) {
  let before = null;
  return splits.map((split) => {
    const at = new Date(split * 1000);
    const isNewDay = before !== null && before !== at.getDate();
    before = at.getDate();
    if (step >= 86_400 || isNewDay) return day(at);
    return step < 60 ? second(at) : minute(at);
  });
}

function save(name, blob) {
  const url = URL.createObjectURL(blob);
  const link = Object.assign(document.createElement('a'), { href: url, download: name });
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

customElements.define('time-chart', TimeChart);
