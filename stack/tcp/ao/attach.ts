/** A connection begins: is it signed, and with which keys (RFC 5925 7.4.1, 7.5.1)? */
import { Errno } from '../../core/errno.js';
import type { Connection } from '../connection.js';
import type { Request } from '../request.js';
import { keyFor } from '../signature.js';
import { AoConnection } from './connection-keys.js';
import { ANY_ID } from './key.js';

/** An active open. -EKEYREJECTED when the keys do not say how: both kinds for this peer, or TCP-AO and no key for it. */
export function chooseSignature(c: Connection): number {
  const { signatureKeys, ao } = c.settings;
  const md5 = signatureKeys ? keyFor(signatureKeys, c.remote) : null;
  c.signature = md5;
  if (ao === null) return 0;
  const key = ao.forPeer(c.remote, ANY_ID, ANY_ID);
  if (md5) {
    if (key || ao.required) return -Errno.EKEYREJECTED;
    c.settings.ao = null;
    return 0;
  }
  if (!key) return -Errno.EKEYREJECTED;
  ao.keys = ao.keys.filter((k) => k.covers(c.remote));
  if (ao.current === null || !ao.keys.includes(ao.current)) ao.current = key;
  if (ao.rnext === null || !ao.keys.includes(ao.rnext)) ao.rnext = key;
  c.signature = new AoConnection(c, ao);
  return 0;
}

/** A child of a listener: signed if its SYN was, with copies of the listener's keys for this peer. */
export function adoptSignature(c: Connection, r: Request): void {
  const { signatureKeys, ao } = c.settings;
  c.signature = signatureKeys && r.aoIds < 0 ? keyFor(signatureKeys, c.remote) : null;
  if (ao === null) return;
  c.settings = c.settings.clone();
  c.settings.ao = r.aoIds < 0 ? null : ao.childFor(c.remote);
  const own = c.settings.ao;
  if (own === null) return;
  own.current = own.byId(r.aoIds >>> 8, ANY_ID) ?? own.keys[0]!;
  own.rnext = own.byId(ANY_ID, r.aoIds & 255) ?? own.keys[0]!;
  c.signature = new AoConnection(c, own);
}
