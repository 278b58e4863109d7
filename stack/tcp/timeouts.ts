import type { Connection } from './connection.js';
export function timerFired(c: Connection, kind: number, nowUs: number): void {
  void [c, kind, nowUs];
}
