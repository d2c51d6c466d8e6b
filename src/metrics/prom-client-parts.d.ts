/** The default metrics one by one; the package has no types for them. */
declare module 'prom-client/lib/metrics/*.js' {
  const measure: (registry: import('prom-client').Registry<import('prom-client').OpenMetricsContentType>) => void;
  export default measure;
}
