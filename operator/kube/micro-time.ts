/**
 * Kubernetes' MicroTime, in UTC: `2026-01-02T03:04:05.678000Z`. The API server takes nothing but
 * six digits after the second, where a Date has three.
 */
export function microTime(wallMs: number): string {
  return new Date(wallMs).toISOString().replace('Z', '000Z')
}
