/** What tests read of a dashboard's JSON. */
export interface PanelJson {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description: string;
  readonly datasource: unknown;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig: { readonly defaults: { readonly unit: string } };
  readonly targets: readonly { readonly refId: string; readonly expr: string; readonly legendFormat: string }[];
}

/** All panels but rows. */
export function panelsOf(text: string): PanelJson[] {
  return (JSON.parse(text) as { panels: PanelJson[] }).panels.filter((p) => p.type !== 'row');
}

/** An expression with the dashboard's variables filled in. */
export function concrete(expr: string): string {
  return expr.replaceAll('$job', '.+').replaceAll('$instance', '.+').replaceAll('$__rate_interval', '10s');
}
