// The figures of a window: the mean over its rows, those at its ends by the share that lies in it, and the peak.
const TOUCHED = 0.1;  // a row of which less lies in the window has no part in the peak

class WindowFigures {
  constructor(rows, array) {
    this.begin = array(rows.begin);
    this.end = array(rows.end);
    this.array = array;
  }

  // the rows in the window and how many seconds of each
  select(start, end) {
    let from = 0, high = this.end.length;
    while (from < high) {
      const middle = (from + high) >> 1;
      if (this.end[middle] <= start) from = middle + 1; else high = middle;
    }
    const seconds = [], whole = [];
    for (let i = from; i < this.begin.length && this.begin[i] < end; i++) {
      const covered = Math.min(this.end[i], end) - Math.max(this.begin[i], start);
      seconds.push(covered / 1000);
      whole.push(covered >= TOUCHED * (this.end[i] - this.begin[i]));
    }
    return { from, seconds, whole: whole.some(Boolean) ? whole : whole.map(() => true) };
  }

  // {mean, peak} of a figure, null where nothing is known; numbers: of its arrays
  values({ from, seconds, whole }, [mean, peak, weight]) {
    const means = this.array(mean), peaks = peak === null ? means : this.array(peak), weights = this.array(weight);
    let amount = 0, total = 0, most = null;
    for (let n = 0; n < seconds.length; n++) {
      const value = means[from + n];
      if (Number.isNaN(value)) continue;
      const counts = weights ? weights[from + n] * seconds[n] : seconds[n];
      amount += value * counts;
      total += counts;
      if (whole[n] && (most === null || peaks[from + n] > most)) most = peaks[from + n];
    }
    const result = total > 0 ? amount / total : null;
    return { mean: result, peak: result === null ? null : Math.max(most === null ? result : most, result) };
  }
}
