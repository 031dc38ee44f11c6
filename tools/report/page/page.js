/* The page: reads its data, fills the tables, draws the charts, and answers clicks. */
'use strict';

const data = JSON.parse(document.getElementById('data').textContent);
const byId = (id) => document.getElementById(id);
const charts = {};
const MOST_LINES = 40;

function redraw(name, draw) {
  if (charts[name]) charts[name].destroy();
  charts[name] = draw();
}

const asRows = (rows) => rows.map((cells, index) => ({cells, index}));
const columnIndex = (columns, key) => columns.findIndex((column) => column.key === key);

function fillHeader() {
  document.title = byId('title').textContent = data.title;
  const counts = Object.entries(data.conditions).map(([name, count]) => `${count} ${name}`);
  byId('subtitle').textContent = `${data.runs.rows.length} runs: ${counts.join(', ')}`;
  for (const note of data.notes) {
    const line = document.createElement('li');
    line.textContent = note;
    byId('notes').append(line);
  }
}

function fillSummary() {
  const table = new SortedTable(byId('summary'), data.summary.columns, asRows(data.summary.rows));
  byId('summary-filter').addEventListener('input', (event) => {
    table.filter(event.target.value);
    if (!byId('curves-section').hidden) drawCurves();
  });
}

function drawCurves() {
  const key = byId('curve-figure').value;
  const figure = data.figures.find((candidate) => candidate.key === key);
  const needle = byId('summary-filter').value.toLowerCase();
  const matching = data.groups.filter((group) => group.curves[key] && group.label.toLowerCase().includes(needle));
  const lines = matching.slice(0, MOST_LINES).map((group) => ({label: group.label, ...group.curves[key]}));
  const hidden = lines.length > SHOWN_AT_FIRST ? `The first ${SHOWN_AT_FIRST} of ${matching.length} variants are shown. ` : '';
  byId('curves-hint').textContent = hidden + 'Click a name in the legend to show or hide it; the filter of the summary chooses variants.';
  redraw('curves', () => drawLines(byId('curves'), lines, figure.title, figure.decimals, byId('curve-band').checked));
}

function fillCurves() {
  const figures = data.figures.filter((figure) => data.groups.some((group) => group.curves[figure.key]));
  byId('curves-section').hidden = figures.length === 0;
  for (const figure of figures) byId('curve-figure').add(new Option(figure.title, figure.key));
  if (figures.length === 0) return;
  byId('curve-figure').value = (figures.find((figure) => figure.key === 'test_accuracy') || figures[0]).key;
  byId('curve-figure').addEventListener('change', drawCurves);
  byId('curve-band').addEventListener('change', drawCurves);
  drawCurves();
}

function fillFinals() {
  const groups = data.groups.slice(0, 60);
  const splits = ['train', 'validation', 'test'].map((split) => ({
    title: split, values: groups.map((group) => group.finals[split]),
  })).filter((split) => split.values.some((value) => value.mean !== null));
  byId('finals-section').hidden = splits.length === 0;
  if (splits.length === 0) return;
  byId('finals-box').style.height = 110 + 34 * groups.length + 'px';
  redraw('finals', () => drawFinals(byId('finals'), groups.map((group) => group.label), splits));
}

const chosen = [];

function chooseRun(table, index) {
  const at = chosen.indexOf(index);
  if (at >= 0) chosen.splice(at, 1);
  else if (chosen.push(index) > 2) chosen.shift();
  table.chosen = new Set(chosen);
  table.draw();
  drawDetail();
}

/* Curves of the chosen runs and their columns side by side, differences in bold. */
function drawDetail() {
  byId('detail').hidden = chosen.length === 0;
  if (chosen.length === 0) return;
  const columns = data.runs.columns;
  const rows = chosen.map((index) => data.runs.rows[index]);
  byId('detail-title').textContent = rows.map((row) => row[0]).join('  against  ');
  const lines = chosen.flatMap((index) => Object.entries(data.histories[index] || {})
    .filter(([key]) => key.endsWith('_accuracy')).map(([key, mean]) => (
      {label: `${chosen.length > 1 ? data.runs.rows[index][0] + ' ' : ''}${key.replace('_accuracy', '')}`, mean, deviation: null})));
  redraw('detail', () => drawLines(byId('detail-chart'), lines, 'Accuracy [%]', 2, false));
  const head = [{key: 'what', title: 'Column', text: true},
    ...rows.map((row) => ({key: 'value', title: row[0], text: true}))];
  const body = columns.map((column, i) => [column.title, ...rows.map((row) => cellText(row[i], column))])
    .filter((line) => line.slice(1).some((value) => value !== ''));
  const table = new SortedTable(byId('detail-settings'), head, asRows(body));
  if (rows.length > 1)
    [...table.body.children].forEach((line, i) => line.classList.toggle('differs', body[i][1] !== body[i][2]));
}

function fillRuns() {
  const wanted = data.runs.columns.map((column, i) => ({...column, i})).filter((column) => !column.detail);
  const rows = asRows(data.runs.rows.map((row) => wanted.map((column) => row[column.i])));
  const table = new SortedTable(byId('runs'), wanted, rows, {
    limit: 100,
    onChoose: (index) => chooseRun(table, index),
    onDraw: (shown) => {
      byId('runs-count').textContent = `${shown.length} of ${rows.length} runs`;
    },
  });
  const updateMore = () => { byId('runs-more').hidden = table.visible().length <= table.limit; };
  byId('runs-filter').addEventListener('input', (event) => { table.filter(event.target.value); updateMore(); });
  byId('runs-more').addEventListener('click', () => { table.limit += 400; table.draw(); updateMore(); });
  updateMore();
}

function fillGrids() {
  for (const grid of data.grids) {
    const title = document.createElement('h3');
    title.textContent = grid.label + (grid.config_path ? ` (${grid.config_path})` : '');
    byId('grids').append(title);
    if (grid.yaml) {
      const details = document.createElement('details');
      const summary = document.createElement('summary');
      const text = document.createElement('pre');
      summary.textContent = `Every setting of ${grid.example}; the other runs differ in the param columns of the table above`;
      text.textContent = grid.yaml;
      details.append(summary, text);
      byId('grids').append(details);
    }
    if (grid.provenance.length === 0) continue;
    const box = document.createElement('div');
    const table = document.createElement('table');
    box.className = 'scroll';
    box.append(table);
    byId('grids').append(box);
    new SortedTable(table, [{key: 'key', title: `Provenance of ${grid.example}`, text: true}, {key: 'value', title: 'Value', text: true}],
      asRows(grid.provenance));
  }
}

function switchTheme() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme || (dark ? 'dark' : 'light');
  document.documentElement.dataset.theme = now === 'dark' ? 'light' : 'dark';
  drawCharts();
}

function drawCharts() {
  applyTheme();
  if (!byId('curves-section').hidden) drawCurves();
  fillFinals();
  drawDetail();
}

applyTheme();
fillHeader();
fillSummary();
fillCurves();
fillFinals();
fillRuns();
fillGrids();
byId('theme').addEventListener('click', switchTheme);
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', drawCharts);
