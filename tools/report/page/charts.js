/* Charts by Chart.js. Colours are Okabe and Ito's; dashes and point shapes repeat what colour says. The band of a line is two
 * more data sets, hidden and shown with it. */
'use strict';

const STYLES = [['#0072B2', [], 'circle'], ['#D55E00', [7, 4], 'rect'], ['#009E73', [2, 3], 'triangle'],
  ['#CC79A7', [9, 3, 2, 3], 'rectRot'], ['#E69F00', [5, 3], 'star'], ['#56B4E9', [], 'cross'],
  ['#8A6D00', [12, 4], 'crossRot'], ['#7F7F7F', [3, 3], 'rectRounded']];
const ON_DARK = {'#0072B2': '#4BA3DB', '#8A6D00': '#D9B44A', '#D55E00': '#F08A4B'};
const SHOWN_AT_FIRST = 12;

const cssColour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

function styleOf(number) {
  const [colour, dash, point] = STYLES[number % STYLES.length];
  const dark = getComputedStyle(document.documentElement).colorScheme === 'dark';
  return [dark && ON_DARK[colour] || colour, dash, point];
}

function applyTheme() {
  Chart.defaults.color = cssColour('--ink');
  Chart.defaults.borderColor = cssColour('--line');
  Chart.defaults.font.family = 'system-ui, "DejaVu Sans", sans-serif';
  Chart.defaults.animation = false;
  Chart.defaults.maintainAspectRatio = false;
}

/* One line with its band, as Chart.js data sets. `low` and `high` may be null. */
function lineWithBand(label, line, number, band, hidden) {
  const [colour, dash, point] = styleOf(number);
  const points = (values) => values.map((value, i) => ({x: i + 1, y: value}));
  const sets = [{label, data: points(line.mean), borderColor: colour, backgroundColor: colour, borderDash: dash,
    pointStyle: point, pointRadius: 3, pointHoverRadius: 6, borderWidth: 2, hidden, spanGaps: true, owner: number}];
  if (band && line.deviation) {
    const edge = (sign) => line.mean.map((mean, i) => mean === null ? null : mean + sign * (line.deviation[i] || 0));
    const common = {label: '', pointRadius: 0, pointHitRadius: 0, borderWidth: 0, backgroundColor: colour + '30', hidden, band: number};
    sets.push({...common, data: points(edge(-1)), fill: false}, {...common, data: points(edge(1)), fill: '-1'});
  }
  return sets;
}

function toggleLine(event, item, legend) {
  const chart = legend.chart;
  const owner = chart.data.datasets[item.datasetIndex].owner;
  const visible = !chart.isDatasetVisible(item.datasetIndex);
  chart.data.datasets.forEach((set, i) => {
    if (set.owner === owner || set.band === owner) chart.setDatasetVisibility(i, visible);
  });
  chart.update();
}

function lineOptions(axis, decimals) {
  return {
    interaction: {mode: 'nearest', axis: 'xy', intersect: false},
    plugins: {
      legend: {position: 'bottom', onClick: toggleLine,
        labels: {usePointStyle: true, filter: (item, data) => data.datasets[item.datasetIndex].band === undefined}},
      tooltip: {filter: (item) => item.dataset.band === undefined,
        callbacks: {title: (items) => items.length ? 'Epoch ' + items[0].parsed.x : '',
          label: (item) => item.dataset.label + ': ' + item.parsed.y.toFixed(decimals)}},
    },
    scales: {x: {type: 'linear', title: {display: true, text: 'Epoch'}, ticks: {precision: 0}},
      y: {title: {display: true, text: axis}}},
  };
}

/* lines: [{label, mean, deviation}] */
function drawLines(canvas, lines, axis, decimals, band) {
  const data = {datasets: lines.flatMap((line, i) => lineWithBand(line.label, line, i, band, i >= SHOWN_AT_FIRST))};
  return new Chart(canvas, {type: 'line', data, options: lineOptions(axis, decimals)});
}

/* finals: [{label, split, mean, low, high}]; an interval as a floating bar, its mean as a point. */
function drawFinals(canvas, labels, splits) {
  const datasets = [];
  splits.forEach((split, i) => {
    const [colour, , point] = styleOf(i);
    datasets.push({type: 'scatter', label: split.title, owner: i, borderColor: colour, backgroundColor: colour, pointStyle: point,
      pointRadius: 6, pointHoverRadius: 8,
      data: split.values.flatMap((value, row) => value.mean === null ? [] : [{x: value.mean, y: labels[row], value}])});
    datasets.push({type: 'bar', label: '', band: i, backgroundColor: colour + '55', barThickness: 6, grouped: false,
      data: split.values.map((value, row) => ({x: value.low === null ? null : [value.low, value.high], y: labels[row]}))});
  });
  const figures = (value) => value.mean.toFixed(2) + (value.low === null ? '' : ` [${value.low.toFixed(2)}, ${value.high.toFixed(2)}]`);
  return new Chart(canvas, {type: 'bar', data: {labels, datasets}, options: {
    indexAxis: 'y',
    plugins: {legend: {position: 'bottom', onClick: toggleLine,
      labels: {usePointStyle: true, filter: (item, data) => data.datasets[item.datasetIndex].band === undefined}},
    tooltip: {filter: (item) => item.dataset.band === undefined,
      callbacks: {label: (item) => item.dataset.label + ': ' + figures(item.raw.value)}}},
    scales: {x: {grace: '5%', beginAtZero: false, title: {display: true, text: 'Accuracy [%], mean and 95 % interval'}},
      y: {type: 'category', labels, offset: true}},
  }});
}
