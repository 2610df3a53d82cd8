/** Charts are drawn for the width of the window; with a view box, print can scale them to the width of the paper. */
const scaleCharts = () => {
  for (const svg of /** @type {NodeListOf<SVGSVGElement>} */ (document.querySelectorAll(".js-plotly-plot svg.main-svg"))) {
    const [width, height] = [svg.getAttribute("width"), svg.getAttribute("height")];
    if (!width || !height) continue;
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    const container = svg.closest(".svg-container");
    if (container instanceof HTMLElement) container.style.setProperty("--ph-ratio", `${width} / ${height}`);
  }
};

const writeSource = () => {
  const time = new Intl.DateTimeFormat("en-GB", { dateStyle: "medium", timeStyle: "short" }).format(new Date());
  for (const element of document.querySelectorAll(".ph-print-source")) {
    element.textContent = ` ${element.previousSibling ? "· " : ""}printed ${time} · ${location.href}`;
  }
};

export const installPrint = () => {
  const prepare = () => {
    scaleCharts();
    writeSource();
  };
  addEventListener("beforeprint", prepare);
  matchMedia("print").addEventListener("change", (event) => event.matches && prepare());
};
