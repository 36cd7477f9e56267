/**
 * Renders a plot as SVG. The text depends on the specification and the versions of vega only: nothing of the machine, its
 * fonts or the time is in it. Not TypeScript, because the types of vega 5 do not compile under the settings of this project.
 */
export async function renderSvg(spec) {
  // Loaded here, so that a short run does without.
  const { compile } = await import("vega-lite");
  const { parse, View } = await import("vega");
  const view = new View(parse(compile(spec).spec), { renderer: "none" });
  const svg = await view.toSVG();
  view.finalize();
  return `${svg}\n`;
}
