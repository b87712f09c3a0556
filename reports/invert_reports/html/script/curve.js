// The curve of the loss's terms, logarithmic.

const CURVE = { width: 560, height: 210, left: 52, right: 74, top: 10, bottom: 30 };
let cursor = null;

function fillCurve() {
  const { trace } = open.run;
  const names = Object.keys(trace ?? {}).filter((name) => name !== "step" && trace[name].some((value) => value > 0));
  byId("curve-part").hidden = names.length === 0;
  byId("curve").replaceChildren();
  cursor = null;
  if (names.length === 0) return;

  const { width, height, left, right, top, bottom } = CURVE;
  const values = names.flatMap((name) => trace[name].filter((value) => value > 0));
  const low = Math.floor(Math.log10(Math.min(...values)));
  const high = Math.max(Math.ceil(Math.log10(Math.max(...values))), low + 1);
  const last = Math.max(trace.step.at(-1), 1);
  const x = (step) => left + ((width - left - right) * step) / last;
  const y = (value) => top + ((height - top - bottom) * (high - Math.log10(value))) / (high - low);

  const label = `Terms of the loss over ${last} steps, logarithmic. ` +
    names.map((name) => `${name} from ${trace[name][0]} to ${trace[name].at(-1)}`).join("; ");
  const chart = drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "curve", role: "img", "aria-label": label });
  const stride = Math.max(1, Math.ceil((high - low) / 5));
  for (let power = low; power <= high; power += stride) {
    chart.append(
      drawn("line", { class: "grid", x1: left, x2: width - right, y1: y(10 ** power), y2: y(10 ** power) }),
      drawn("text", { class: "tick", x: left - 6, y: y(10 ** power) + 4, "text-anchor": "end" }, tick(power)),
    );
  }
  for (const step of [0, last / 2, last]) {
    chart.append(drawn("text", { class: "tick", x: x(step), y: height - 10, "text-anchor": "middle" },
      step === last ? `${last} steps` : String(Math.round(step))));
  }
  const ends = [];
  names.forEach((name, n) => {
    chart.append(drawn("path", { class: `line s${n}`, d: path(trace.step, trace[name], x, y) }));
    const end = trace[name].findLast((value) => value > 0);
    let at = y(end) + 4;
    while (ends.some((taken) => Math.abs(taken - at) < 12)) at -= 12;
    ends.push(at);
    chart.append(drawn("text", { class: `tick name s${n}`, x: width - right + 6, y: at }, name));
  });
  cursor = drawn("line", { class: "cursor", y1: top, y2: height - bottom, visibility: "hidden" });
  cursor.at = x;
  chart.append(cursor);
  byId("curve").append(chart);
  showFrame();
}

function path(steps, values, x, y) {
  let d = "";
  let pen = "M";
  steps.forEach((step, n) => {
    const value = values[n];
    d += value > 0 ? `${pen}${x(step).toFixed(1)} ${y(value).toFixed(1)}` : "";
    pen = value > 0 ? "L" : "M";
  });
  return d;
}

function tick(power) {
  return power >= -3 && power <= 4 ? String(Number((10 ** power).toPrecision(1))) : `1e${power}`.replace("-", "−");
}

function moveCursor(step) {
  if (!cursor) return;
  cursor.setAttribute("visibility", step === null ? "hidden" : "visible");
  if (step === null) return;
  cursor.setAttribute("x1", cursor.at(step));
  cursor.setAttribute("x2", cursor.at(step));
}
