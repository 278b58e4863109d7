import type { SysctlTable } from '../../core/sysctl.js';
export interface CongestionControl {
  readonly name: string;
}
const none: CongestionControl = { name: 'cubic' };
export function congestionByNumber(n: number, sysctl: SysctlTable): CongestionControl {
  void [n, sysctl];
  return none;
}
