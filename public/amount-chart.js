// The element <amount-chart>: a few amounts on top of each other, as bars or as areas, drawn by uPlot. It comes in one file with
// charts.js.
//
// The page sets `data`, also before this script is there: [settings, columns].
//   settings  {areas, unit, whole, labels, titles, series}: whether areas are drawn instead of bars; the unit of the amounts, and
//             whether they are whole numbers; what each row is called below the axis and where it is read; and for each amount its
//             name and the custom property with its colour, the lowest first
//   columns   a Float64Array: one column for each amount, one after the other; what is not known is no number, and its place is grey
//
// For screen readers it holds nothing: the page says the same in words and as a table.

class AmountChart extends HTMLElement {
  #settings = null;
  #columns = [];
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
        this.dispatchEvent(new CustomEvent('chartseen', { bubbles: true, detail: this.#isSeen }));
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
    this.#forget();
  }

  set data([settings, columns]) {
    const before = JSON.stringify(this.#settings?.series);
    this.#settings = JSON.parse(settings);
    const { labels, series } = this.#settings;
    const known = (amount) => (Number.isNaN(amount) ? null : amount);
    this.#columns = series.map((_, index) => Array.from(columns.subarray(index * labels.length, (index + 1) * labels.length), known));
    // Other amounts are other lines.
    if (JSON.stringify(series) !== before) this.#forget();
    this.#show();
  }

  recolour() {
    this.#readColours();
    this.#plot?.redraw();
  }

  #forget() {
    this.#plot?.destroy();
    this.#plot = null;
  }

  #show() {
    if (!this.#isSeen || !this.#settings || !this.isConnected) return;
    if (!this.#plot) this.#make();
    this.#plot.setData(this.#stacked());
    this.#read();
  }

  // The rows by number, and the amounts on top of each other, the highest first: what is lower is drawn over it.
  #stacked() {
    const rows = this.#settings.labels.map((_, row) => row);
    let below = rows.map(() => 0);
    const sums = this.#columns.map((column) => (below = column.map((amount, row) => (amount == null ? null : below[row] + amount))));
    return [rows, ...sums.reverse()];
  }

  #make() {
    this.#readColours();
    const { areas, series } = this.#settings;
    const muted = () => this.#colours.muted;
    const axis = { stroke: muted, font: `11px ${this.#colours.font}`, ticks: { show: false } };
    const last = () => this.#settings.labels.length - 1;
    const shape = areas ? {} : { paths: uPlot.paths.bars({ size: [0.8, 48], radius: 0.1 }), points: { show: false } };
    const lines = series.map((_, index) => ({
      stroke: () => this.#colours.series[index],
      fill: () => this.#colours.series[index],
      width: 0,
      points: { show: false },
      ...shape,
    }));
    this.#plot = new uPlot(
      {
        ...this.#size(),
        legend: { show: false },
        padding: [8, 8, 0, 0],
        cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
        scales: {
          x: { time: false, range: () => (areas && last() > 0 ? [0, last()] : [-0.5, last() + 0.5]) },
          y: { range: (plot, low, high) => (high > 0 ? [0, uPlot.rangeNum(0, high, 0.08, true)[1]] : [0, 1]) },
        },
        axes: [
          {
            ...axis,
            grid: { show: false },
            size: 26,
            space: 56,
            incrs: [1, 2, 5, 10, 20, 50, 100],
            values: (plot, splits) => splits.map((row) => this.#settings.labels[row] ?? ''),
          },
          {
            ...axis,
            grid: { stroke: () => this.#colours.grid, width: 1 },
            size: 46,
            gap: 4,
            space: 32,
            incrs: () => this.#steps(),
            values: (plot, splits) => splits.map((value) => value.toLocaleString('en', { maximumFractionDigits: 3 })),
          },
        ],
        series: [{}, ...lines.reverse()],
        hooks: { setCursor: [() => this.#read()], drawAxes: [(plot) => this.#shadeUnknown(plot)] },
      },
      this.#stacked(),
      this.#frame,
    );
    // Fingers scroll the page over a chart.
    this.#plot.over.style.touchAction = 'pan-y';
  }

  // A place without a bar would look as if there were nothing.
  #shadeUnknown(plot) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.fillStyle = this.#colours.grid;
    for (const row of this.#settings.labels.keys()) {
      if (this.#columns.some((column) => column[row] != null)) continue;
      const [from, to] = [row - 0.4, row + 0.4].map((place) => plot.valToPos(place, 'x', true));
      ctx.fillRect(from, bbox.top, to - from, bbox.height);
    }
    ctx.restore();
  }

  #size() {
    return { width: Math.max(this.#frame.clientWidth, 120), height: Math.max(this.#frame.clientHeight, 80) };
  }

  #resize() {
    if (this.#plot && this.#frame.clientWidth > 0) this.#plot.setSize(this.#size());
  }

  #steps() {
    const steps = [];
    for (let power = this.#settings.whole ? 0 : -3; power <= 15; power += 1) {
      for (const factor of [1, 2, 5]) steps.push(Number(`${factor}e${power}`));
    }
    return steps;
  }

  // The row under the cursor, else the last one.
  #read() {
    const { titles, series, unit } = this.#settings;
    const { idx } = this.#plot.cursor;
    const row = idx ?? titles.length - 1;
    const number = (value) => {
      const decimals = this.#settings.whole ? 0 : digits(value);
      return value.toLocaleString('en', { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
    };
    const isKnown = this.#columns.some((column) => column[row] != null);
    const amounts = this.#columns
      .map((column, index) => [series[index].name, column[row]])
      .filter(([, amount]) => amount > 0)
      .map(([name, amount]) => `${name} ${number(amount)}${unit && ` ${unit}`}`);
    this.#readout.textContent = [titles[row], ...(amounts.length > 0 ? amounts : [isKnown ? 'nothing' : 'not known'])].join(' · ');
    this.#readout.classList.toggle('is-hovered', idx != null);
  }

  #readColours() {
    this.#colours = withColours(this, (read) => ({
      grid: read('--line'),
      muted: read('--text-muted'),
      series: (this.#settings?.series ?? []).map(({ colour }) => read(colour)),
      font: getComputedStyle(this).fontFamily,
    }));
  }
}

customElements.define('amount-chart', AmountChart);
