// The Grafana dashboards, as code: `npm run generate` writes them to deploy/monitoring/grafana/dashboards.
const DATASOURCE = { type: 'prometheus', uid: 'sallyport-prometheus' };
const WIDTH = 24;
/** Every series of the gateways that are looked at; `{` and more matchers go in front of it. */
const OF = 'job="sallyport",instance=~"$instance"';
const RATE = '[$__rate_interval]';

/** File name → dashboard, as Grafana imports it. */
export function dashboards() {
  return { 'operations.json': operations(), 'business.json': business(), 'security.json': security() };
}

function operations() {
  return dashboard('sallyport-operations', 'Sallyport: operations', [
    row('Health'),
    stat('Up', `up{${OF}}`, { steps: ['red', 0, 'green', 1], mappings: { 0: 'DOWN', 1: 'UP' } }),
    stat('Uptime', `time() - process_start_time_seconds{${OF}}`, { unit: 's' }),
    stat('Services', `sallyport_service_healthy{${OF}}`, {
      legend: '{{service}}',
      steps: ['red', 0, 'green', 1],
      mappings: { 0: 'failing', 1: 'well' },
      width: 8,
    }),
    stat('Version', `sallyport_build_info{${OF}}`, { legend: '{{version}}', text: 'name' }),
    stat('Draining', `sallyport_draining{${OF}}`, { steps: ['green', 0, 'orange', 1], mappings: { 0: 'no', 1: 'yes' } }),
    row('Requests'),
    chart('Requests', { '{{instance}}': `instance:sallyport_http_requests:rate5m{${OF}}` }, { unit: 'reqps' }),
    chart('Share of failures (5xx)', { '{{instance}}': `instance:sallyport_http_failures:ratio_rate5m{${OF}}` }, { unit: 'percentunit' }),
    chart('Latency without the routes that wait for commands', quantiles('instance:sallyport_http_own_duration_seconds'), { unit: 's' }),
    chart('Errors by code', { '{{code}}': `sum by (code) (rate(sallyport_errors_total{${OF}}${RATE}))` }, { unit: 'reqps' }),
    chart('Answers by status', { '{{status}}': `sum by (status) (rate(sallyport_http_requests_total{${OF}}${RATE}))` }, { unit: 'reqps' }),
    chart('Being answered', { '{{instance}}': `sallyport_http_requests_in_flight{${OF}}` }),
    table('Busiest routes', {
      'requests/s': `topk(15, sum by (route) (instance_route:sallyport_http_requests:rate5m{${OF}}))`,
      'p95 (s)': `max by (route) (instance_route:sallyport_http_request_duration_seconds:p95_5m{${OF}})`,
    }),
    chart('p95 by route', { '{{route}}': `topk(10, instance_route:sallyport_http_request_duration_seconds:p95_5m{${OF}})` }, { unit: 's' }),
    row('Runs'),
    chart('Runs by outcome', { '{{outcome}}': `sum by (outcome) (instance_outcome:sallyport_runs:rate5m{${OF}})` }, { unit: 'ops' }),
    chart(
      'Runs by command',
      { '{{command}}': `topk(10, sum by (command) (instance_command:sallyport_runs:rate5m{${OF}}))` },
      { unit: 'ops' },
    ),
    chart(
      'Share of failed runs by command',
      { '{{command}}': `topk(10, instance_command:sallyport_runs_failed:ratio_rate5m{${OF}})` },
      { unit: 'percentunit' },
    ),
    chart('p95 by command', { '{{command}}': `topk(10, instance_command:sallyport_run_duration_seconds:p95_5m{${OF}})` }, { unit: 's' }),
    chart('Slots and queue', {
      running: `sallyport_runs_active{${OF}}`,
      waiting: `sallyport_runs_queued{${OF}}`,
      slots: `sallyport_runs_limit{${OF}}`,
    }),
    chart(
      'Waiting for a slot',
      { longest: `sallyport_runs_longest_wait_seconds{${OF}}`, p95: `instance:sallyport_run_queue_seconds:p95_5m{${OF}}` },
      { unit: 's' },
    ),
    chart('Cache', { '{{result}}': `sum by (result) (rate(sallyport_cache_requests_total{${OF}}${RATE}))` }, { unit: 'ops' }),
    chart('Retries', { '{{command}}': `sum by (command) (rate(sallyport_retries_total{${OF}}${RATE}))` }, { unit: 'ops' }),
    chart('Output of commands', { '{{instance}}': `rate(sallyport_run_output_bytes_total{${OF}}${RATE})` }, { unit: 'Bps' }),
    row('Breakers'),
    timeline('State', { '{{name}}': `sallyport_breaker_state{${OF}}` }, { 0: 'closed', 1: 'half open', 2: 'open' }),
    chart('Changes', { '{{name}} to {{to}}': `increase(sallyport_breaker_transitions_total{${OF}}${RATE})` }),
    row('Store'),
    chart(
      'Commits',
      {
        commits: `rate(sallyport_storage_commits_total{${OF}}${RATE})`,
        transactions: `rate(sallyport_storage_transactions_total{${OF}}${RATE})`,
      },
      { unit: 'ops' },
    ),
    chart('Waiting to be recorded', {
      commits: `sallyport_storage_commits_waiting{${OF}}`,
      'ends of runs': `sallyport_run_ends_waiting{${OF}}`,
    }),
    chart('Until an entry is durable (p99)', { '{{instance}}': `instance:sallyport_audit_append_seconds:p99_5m{${OF}}` }, { unit: 's' }),
    chart('Room on the disk', { free: `sallyport_disk_free_bytes{${OF}}`, size: `sallyport_disk_size_bytes{${OF}}` }, { unit: 'bytes' }),
    row('Process'),
    chart('Processor', { '{{instance}}': `rate(process_cpu_seconds_total{${OF}}${RATE})` }, { unit: 'percentunit' }),
    chart(
      'Memory',
      {
        resident: `process_resident_memory_bytes{${OF}}`,
        heap: `nodejs_heap_size_used_bytes{${OF}}`,
        'left on the host': `sallyport_memory_available_bytes{${OF}}`,
      },
      { unit: 'bytes' },
    ),
    chart(
      'In use',
      { memory: `instance:sallyport_memory_used:ratio{${OF}}`, heap: `instance:sallyport_heap_used:ratio{${OF}}` },
      { unit: 'percentunit' },
    ),
    chart('Lag of the event loop (p99)', { '{{instance}}': `nodejs_eventloop_lag_p99_seconds{${OF}}` }, { unit: 's' }),
    chart('Executors', { hosts: `sallyport_executor_hosts{${OF}}`, sandboxes: `sallyport_sandboxes_kept{${OF}}` }),
    chart('Not measured', { '{{instance}}': `increase(sallyport_metrics_failures_total{${OF}}${RATE})` }),
  ]);
}

function business() {
  const during = (series, matchers = '') => `increase(${series}{${matchers}${OF}}[$__range])`;
  return dashboard('sallyport-business', 'Sallyport: usage', [
    row('In the time shown'),
    stat('Runs', `sum(${during('sallyport_runs_total')})`, { width: 6 }),
    stat('Succeeded', `1 - sum(${during('sallyport_runs_failed_total')}) / sum(${during('sallyport_runs_total')})`, {
      unit: 'percentunit',
      width: 6,
    }),
    stat('From the cache', `sum(${during('sallyport_cache_requests_total', 'result="hit",')})`, { width: 6 }),
    stat('Repeated safely', `sum(${during('sallyport_idempotent_requests_total', 'result="replayed",')})`, { width: 6 }),
    row('Commands'),
    table('By command', {
      runs: `sort_desc(sum by (command) (${during('sallyport_runs_total')}))`,
      failed: `sum by (command) (${during('sallyport_runs_failed_total')})`,
      'seconds in all': `sum by (command) (${during('sallyport_run_duration_seconds_sum')})`,
    }),
    chart('Runs', { '{{command}}': `sum by (command) (increase(sallyport_runs_total{${OF}}[1h]))` }),
    chart('Time spent', { '{{command}}': `sum by (command) (rate(sallyport_run_duration_seconds_sum{${OF}}${RATE}))` }, { unit: 's' }),
    chart(
      'Half of the runs are shorter than',
      { '{{command}}': `instance_command:sallyport_run_duration_seconds:p50_5m{${OF}}` },
      { unit: 's' },
    ),
    chart('By outcome', { '{{outcome}}': `sum by (outcome) (increase(sallyport_runs_total{${OF}}[1h]))` }),
    row('Doors'),
    table('By route', { requests: `sort_desc(sum by (route, method) (${during('sallyport_http_requests_total')}))` }),
    chart('Turned away because it was too often', { '{{scope}}': `sum by (scope) (increase(sallyport_rate_limited_total{${OF}}[1h]))` }),
    note('Usage by key', 'Metrics name no keys. Who ran what: `GET /runs`, or the audit log, `GET /audit?action=run.intent`.'),
  ]);
}

function security() {
  const during = (series, matchers = '') => `sum(increase(${series}{${matchers}${OF}}[$__range]))`;
  return dashboard('sallyport-security', 'Sallyport: security', [
    row('In the time shown'),
    stat('Keys refused', during('sallyport_auth_failures_total')),
    stat('Forbidden', during('sallyport_errors_total', 'code="forbidden",')),
    stat('Rate limited', during('sallyport_rate_limited_total')),
    stat('Masked in output', during('sallyport_redactions_total')),
    stat('Audit entries', during('sallyport_audit_entries_total')),
    stat('Contained', `min(sallyport_sandbox_contained{${OF}})`, {
      steps: ['orange', 0, 'green', 1],
      mappings: { 0: 'not all', 1: 'all profiles' },
    }),
    row('Who may not'),
    chart(
      'Keys refused, by reason',
      { '{{reason}}': `sum by (reason) (rate(sallyport_auth_failures_total{${OF}}${RATE}))` },
      { unit: 'reqps' },
    ),
    chart('Denied or refused, by code', { '{{code}}': `sum by (code) (instance_code:sallyport_denials:rate5m{${OF}})` }, { unit: 'reqps' }),
    chart('Stopped by the tripwire, by rule', { '{{rule}}': `sum by (rule) (increase(sallyport_blocked_commands_total{${OF}}${RATE}))` }),
    chart(
      'Rate limited, by scope',
      { '{{scope}}': `sum by (scope) (rate(sallyport_rate_limited_total{${OF}}${RATE}))` },
      { unit: 'reqps' },
    ),
    chart('Connections closed unread', { '{{instance}}': `rate(sallyport_connections_refused_total{${OF}}${RATE})` }),
    chart(
      'Addresses that are none',
      { '{{status}}': `sum by (status) (rate(sallyport_http_requests_total{route="unmatched",${OF}}${RATE}))` },
      { unit: 'reqps' },
    ),
    chart('Requests with the same key for other things', {
      '{{result}}': `sum by (result) (rate(sallyport_idempotent_requests_total{result=~"mismatch|under_way",${OF}}${RATE}))`,
    }),
    row('What gets out, and what is written down'),
    chart('Masked in output, by kind', { '{{kind}}': `sum by (kind) (rate(sallyport_redactions_total{${OF}}${RATE}))` }, { unit: 'ops' }),
    chart('Audit entries', { '{{instance}}': `rate(sallyport_audit_entries_total{${OF}}${RATE})` }, { unit: 'ops' }),
    timeline('Audit log', { '{{instance}}': `sallyport_service_healthy{service="audit",${OF}}` }, { 0: 'failing', 1: 'well' }),
    timeline('Sandboxes', { '{{profile}}': `sallyport_sandbox_contained{${OF}}` }, { 0: 'none', 1: 'contained' }),
    chart('Lost', {
      runs: `sum(increase(sallyport_runs_total{outcome="lost",${OF}}[1h]))`,
      hosts: `sum(increase(sallyport_executor_hosts_lost_total{${OF}}[1h]))`,
    }),
    chart('Restarts', { '{{instance}}': `changes(process_start_time_seconds{${OF}}[1h])` }),
  ]);
}

function quantiles(name) {
  return Object.fromEntries(['p50', 'p95', 'p99'].map((quantile) => [`${quantile} {{instance}}`, `${name}:${quantile}_5m{${OF}}`]));
}

function dashboard(uid, title, panels) {
  return {
    uid,
    title,
    tags: ['sallyport'],
    editable: false,
    schemaVersion: 39,
    timezone: 'browser',
    time: { from: 'now-6h', to: 'now' },
    refresh: '30s',
    links: [{ type: 'dashboards', tags: ['sallyport'], title: 'Sallyport', asDropdown: true, keepTime: true, includeVars: true }],
    templating: { list: [instanceVariable()] },
    annotations: { list: [alertAnnotations()] },
    panels: placed(panels),
  };
}

function instanceVariable() {
  return {
    name: 'instance',
    type: 'query',
    datasource: DATASOURCE,
    query: 'label_values(up{job="sallyport"}, instance)',
    refresh: 2,
    includeAll: true,
    allValue: '.*',
    multi: true,
    current: { text: 'All', value: '$__all' },
  };
}

function alertAnnotations() {
  return {
    name: 'Alerts',
    datasource: DATASOURCE,
    enable: true,
    iconColor: 'red',
    expr: 'ALERTS{alertstate="firing",severity=~"critical|warning"}',
    titleFormat: '{{alertname}}',
    textFormat: '{{severity}}',
  };
}

/** From left to right, then down; a row begins a line of its own. */
function placed(panels) {
  let [x, y, height] = [0, 0, 0];
  return panels.map(({ width, height: own, ...panel }, index) => {
    if (x + width > WIDTH || panel.type === 'row') [x, y, height] = [0, y + height, 0];
    const gridPos = { x, y, w: width, h: own };
    x += width;
    height = Math.max(height, own);
    return { id: index + 1, ...panel, gridPos };
  });
}

function row(title) {
  return { type: 'row', title, collapsed: false, panels: [], width: WIDTH, height: 1 };
}

function stat(
  title,
  expr,
  { unit = 'short', legend = '{{instance}}', steps = ['blue', 0], mappings = {}, text = 'value', width = 4 } = {},
) {
  const colours = steps.flatMap((colour, index) =>
    index % 2 === 0 ? [{ color: colour, value: index === 0 ? null : steps[index + 1] }] : [],
  );
  return {
    type: 'stat',
    title,
    datasource: DATASOURCE,
    targets: targets({ [legend]: expr }, { instant: true }),
    options: { reduceOptions: { calcs: ['lastNotNull'] }, textMode: text === 'name' ? 'name' : 'auto', graphMode: 'none' },
    fieldConfig: fields(unit, { thresholds: { mode: 'absolute', steps: colours }, mappings: valueMappings(mappings) }),
    width,
    height: 4,
  };
}

function chart(title, series, { unit = 'short' } = {}) {
  return {
    type: 'timeseries',
    title,
    datasource: DATASOURCE,
    targets: targets(series),
    options: { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } },
    fieldConfig: fields(unit, { min: 0, custom: { fillOpacity: 8, lineWidth: 1, showPoints: 'never' } }),
    width: 8,
    height: 8,
  };
}

function timeline(title, series, states) {
  return {
    type: 'state-timeline',
    title,
    datasource: DATASOURCE,
    targets: targets(series),
    options: { showValue: 'auto', legend: { displayMode: 'list', placement: 'bottom' } },
    fieldConfig: fields('short', { mappings: valueMappings(states) }),
    width: 8,
    height: 8,
  };
}

function table(title, columns) {
  const names = Object.fromEntries(Object.keys(columns).map((name, index) => [`Value #${letter(index)}`, name]));
  return {
    type: 'table',
    title,
    datasource: DATASOURCE,
    targets: targets(columns, { instant: true, format: 'table' }),
    transformations: [
      { id: 'merge', options: {} },
      { id: 'organize', options: { excludeByName: { Time: true }, renameByName: { ...names, Value: Object.keys(columns)[0] } } },
    ],
    fieldConfig: fields('short', {}),
    width: 8,
    height: 8,
  };
}

function note(title, content) {
  return { type: 'text', title, options: { mode: 'markdown', content }, width: 8, height: 4 };
}

function targets(series, extra = {}) {
  return Object.entries(series).map(([legendFormat, expr], index) => ({
    refId: letter(index),
    datasource: DATASOURCE,
    expr,
    legendFormat,
    ...extra,
  }));
}

function fields(unit, defaults) {
  return { defaults: { unit, ...defaults }, overrides: [] };
}

function valueMappings(texts) {
  if (Object.keys(texts).length === 0) return [];
  return [{ type: 'value', options: Object.fromEntries(Object.entries(texts).map(([value, text]) => [value, { text }])) }];
}

function letter(index) {
  return String.fromCharCode(65 + index);
}
