/** A plot of vega-lite 5. */
export type PlotSpec = Readonly<Record<string, unknown>>;

export function renderSvg(spec: PlotSpec): Promise<string>;
