import type { Owner } from '../../mib/ledger/ledger.js';

export interface Listener {
  readonly owner: Owner;
}
