/** The Overview as a Grafana dashboard, by Grafana's own builders: variables, rows, panels with ids and places. */
import type { Builder } from '@grafana/grafana-foundation-sdk/cog';
import * as common from '@grafana/grafana-foundation-sdk/common';
import {
  type Dashboard,
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  type Panel,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { DataqueryBuilder } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { descriptionOf, overviewRows, type PanelSpec } from './panels.js';

const DATASOURCE = { type: 'prometheus', uid: '$datasource' };
/** Grafana's grid is 24 wide. */
const GRID = 24;
const SIZES = { stat: { w: 4, h: 4 }, timeseries: { w: 12, h: 8 } } as const;

function variables(): (DatasourceVariableBuilder | QueryVariableBuilder)[] {
  const query = (name: string, label: string, definition: string) =>
    new QueryVariableBuilder(name)
      .label(label)
      .datasource(DATASOURCE)
      .query({ query: definition, refId: `${name}-variable` })
      .definition(definition)
      .refresh(VariableRefresh.OnTimeRangeChanged)
      .sort(VariableSort.AlphabeticalAsc)
      .multi(true)
      .includeAll(true)
      .allValue('.+')
      .current({ selected: true, text: ['All'], value: ['$__all'] });
  return [
    new DatasourceVariableBuilder('datasource').label('Data source').type('prometheus'),
    query('job', 'Job', 'label_values(tsnetstat_info, job)'),
    query('instance', 'Instance', 'label_values(tsnetstat_info{job=~"$job"}, instance)'),
  ];
}

function targets(spec: PanelSpec): DataqueryBuilder[] {
  return spec.series.map((s, i) =>
    new DataqueryBuilder()
      .refId(String.fromCharCode(65 + i))
      .datasource(DATASOURCE)
      .expr(s.expr)
      .legendFormat(s.legend)
      .range(),
  );
}

function panel(spec: PanelSpec, id: number, x: number, y: number): Builder<Panel> {
  const gridPos = { x, y, ...SIZES[spec.kind] };
  if (spec.kind === 'stat') {
    return new StatBuilder()
      .id(id)
      .title(spec.title)
      .description(descriptionOf(spec))
      .datasource(DATASOURCE)
      .unit(spec.unit)
      .gridPos(gridPos)
      .graphMode(common.BigValueGraphMode.Area)
      .colorMode(common.BigValueColorMode.None)
      .reduceOptions(new common.ReduceDataOptionsBuilder().calcs(['lastNotNull']))
      .targets(targets(spec));
  }
  const builder = new TimeseriesBuilder()
    .id(id)
    .title(spec.title)
    .description(descriptionOf(spec))
    .datasource(DATASOURCE)
    .unit(spec.unit)
    .min(0)
    .gridPos(gridPos)
    .lineWidth(1)
    .fillOpacity(spec.stacked ? 30 : 10)
    .showPoints(common.VisibilityMode.Never)
    .tooltip(new common.VizTooltipOptionsBuilder().mode(common.TooltipDisplayMode.Multi).sort(common.SortOrder.Descending))
    .legend(
      new common.VizLegendOptionsBuilder()
        .displayMode(common.LegendDisplayMode.Table)
        .placement(common.LegendPlacement.Bottom)
        .showLegend(true)
        .calcs(['lastNotNull', 'max']),
    )
    .targets(targets(spec));
  return spec.stacked ? builder.stacking(new common.StackingConfigBuilder().mode(common.StackingMode.Normal)) : builder;
}

export function overview(): Dashboard {
  const dashboard = new DashboardBuilder('tsnetstat / Overview')
    .uid('tsnetstat-overview')
    .description(
      'A userspace TCP/IP stack by its Linux MIB counters: traffic, handshakes, retransmissions, drops and errors, connections.',
    )
    .tags(['tsnetstat', 'netstat'])
    .readonly()
    .tooltip(DashboardCursorSync.Crosshair)
    .time({ from: 'now-30m', to: 'now' })
    .timezone('browser')
    .refresh('10s')
    .variables(variables());
  let id = 1;
  let y = 0;
  for (const row of overviewRows) {
    dashboard.withRow(new RowBuilder(row.title).id(id++).gridPos({ x: 0, y: y++, w: GRID, h: 1 }));
    let x = 0;
    let height = 0;
    for (const spec of row.panels) {
      const { w, h } = SIZES[spec.kind];
      if (x + w > GRID) {
        x = 0;
        y += height;
      }
      dashboard.withPanel(panel(spec, id++, x, y));
      x += w;
      height = h;
    }
    y += height;
  }
  return dashboard.build();
}
