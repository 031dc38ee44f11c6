/* Tables that sort by a click on their head and filter as one types. Every value becomes text by textContent alone, so that
 * no name in a configuration is ever markup. A cell is null, a text, a number, or [number, deviation, flags] with flags of
 * "b" best, "s" signed, "p" a probability, "~" not significant. */
'use strict';

const cellNumber = (cell) => Array.isArray(cell) ? cell[0] : typeof cell === 'number' ? cell : null;

function cellText(cell, column) {
  if (cell === null) return '';
  if (typeof cell === 'string') return cell;
  const flags = Array.isArray(cell) ? cell[2] : '';
  const number = cellNumber(cell);
  let text = number.toFixed(column.decimals);
  const least = 10 ** -column.decimals;
  if (flags.includes('p') && number < least) return '<' + least.toFixed(column.decimals);
  if (flags.includes('s') && number > 0) text = '+' + text;
  if (Array.isArray(cell) && cell[1] !== null) text += ' ± ' + cell[1].toFixed(column.decimals);
  return flags.includes('~') ? text + ' ~' : text;
}

function compareCells(a, b) {
  const x = cellNumber(a), y = cellNumber(b);
  if (x !== null && y !== null) return x - y;
  return String(a).localeCompare(String(b), 'en', {numeric: true});
}

class SortedTable {
  /* rows: [{cells, index}]; options.limit: rows drawn at first; options.onChoose(index): a click on a row. */
  constructor(element, columns, rows, options = {}) {
    Object.assign(this, {element, columns, rows, options, sortColumn: -1, direction: 1, needle: '', chosen: new Set()});
    this.limit = options.limit || Infinity;
    this.texts = rows.map((row) => row.cells.map((cell, i) => cellText(cell, columns[i])).join('\n').toLowerCase());
    this.drawHead();
    this.draw();
  }

  drawHead() {
    const line = document.createElement('tr');
    this.columns.forEach((column, i) => {
      const head = document.createElement('th');
      /* A name such as optimizer.weight_decay may break after its points. */
      for (const part of column.title.split(/(?<=[._])/)) head.append(part, document.createElement('wbr'));
      head.tabIndex = 0;
      head.scope = 'col';
      if (column.text) head.className = 'text';
      const sort = () => this.sortBy(i);
      head.addEventListener('click', sort);
      head.addEventListener('keydown', (event) => { if (event.key === 'Enter') sort(); });
      line.append(head);
    });
    const head = document.createElement('thead');
    head.append(line);
    this.body = document.createElement('tbody');
    this.element.replaceChildren(head, this.body);
    this.heads = [...line.children];
  }

  /* First click: numbers from the largest, texts from A; second: the other way round; third: the config's order. */
  sortBy(column) {
    const first = this.columns[column].text ? 1 : -1;
    if (this.sortColumn !== column) { this.sortColumn = column; this.direction = first; }
    else if (this.direction === first) this.direction = -first;
    else this.sortColumn = -1;
    this.heads.forEach((head, i) => {
      if (i !== this.sortColumn) head.removeAttribute('aria-sort');
      else head.setAttribute('aria-sort', this.direction > 0 ? 'ascending' : 'descending');
    });
    this.draw();
  }

  filter(needle) {
    this.needle = needle.toLowerCase();
    this.draw();
  }

  visible() {
    const kept = this.rows.filter((row) => this.texts[row.index].includes(this.needle));
    if (this.sortColumn < 0) return kept;
    const empty = (row) => row.cells[this.sortColumn] === null || row.cells[this.sortColumn] === '';
    return kept.sort((a, b) => (empty(a) - empty(b)) ||
      this.direction * (empty(a) ? 0 : compareCells(a.cells[this.sortColumn], b.cells[this.sortColumn])) || a.index - b.index);
  }

  draw() {
    const shown = this.visible();
    const lines = document.createDocumentFragment();
    for (const row of shown.slice(0, this.limit)) lines.append(this.drawRow(row));
    this.body.replaceChildren(lines);
    if (this.options.onDraw) this.options.onDraw(shown);
  }

  drawRow(row) {
    const line = document.createElement('tr');
    if (this.chosen.has(row.index)) line.className = 'chosen';
    row.cells.forEach((cell, i) => {
      const data = document.createElement('td');
      data.textContent = cellText(cell, this.columns[i]);
      if (this.columns[i].text) { data.className = 'text'; data.title = data.textContent; }
      if (Array.isArray(cell) && cell[2].includes('b')) data.classList.add('best');
      if (this.columns[i].key === 'status' && cell !== 'finished') data.classList.add('problem');
      line.append(data);
    });
    if (this.options.onChoose) {
      line.tabIndex = 0;
      line.addEventListener('click', () => this.options.onChoose(row.index));
      line.addEventListener('keydown', (event) => { if (event.key === 'Enter') this.options.onChoose(row.index); });
    }
    return line;
  }
}
