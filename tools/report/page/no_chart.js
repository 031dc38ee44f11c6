/* Stands in for Chart.js where it was not there at build time: the page keeps its tables and says what is missing. */
'use strict';

class Chart {
  static defaults = {font: {}};
  constructor(canvas) {
    this.note = document.createElement('p');
    this.note.className = 'hint';
    this.note.textContent = 'No chart: report was built without Chart.js (Debian: libjs-chart.js). The figures are in history.csv.';
    canvas.hidden = true;
    canvas.after(this.note);
  }
  destroy() { this.note.remove(); }
}
