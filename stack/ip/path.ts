/**
 * What was learned about single destinations: path MTU from "fragmentation needed" (RFC 1191) and gateways from redirects. Linux keeps them
 * as exceptions of a route (fnhe); here one table per family. Bounded: the oldest goes when it is full.
 */
import type { IpAddress } from '../core/address.js';

const MAX_EXCEPTIONS = 2048;

export class PathException {
  /** 0: none. */
  pmtu = 0;
  /** Below min_pmtu: kept, but fragments must be allowed instead (Linux's mtu lock). */
  locked = false;
  expiresUs = 0;
  gateway: IpAddress | null = null;
}

/** A Map key for an address: the word itself for IPv4. */
export function addressKey(a: IpAddress): number | string {
  return a.family === 4 ? a.w3 : a.toString();
}

export class PathTable {
  /** Moves when an exception appears or goes: routes then look again. */
  version = 1;
  private readonly map = new Map<number | string, PathException>();

  find(destination: IpAddress): PathException | null {
    return this.map.get(addressKey(destination)) ?? null;
  }

  private take(destination: IpAddress): PathException {
    const key = addressKey(destination);
    let e = this.map.get(key);
    if (!e) {
      if (this.map.size >= MAX_EXCEPTIONS) this.map.delete(this.map.keys().next().value!);
      e = new PathException();
      this.map.set(key, e);
    }
    this.version++;
    return e;
  }

  setPmtu(destination: IpAddress, pmtu: number, locked: boolean, expiresUs: number): void {
    const e = this.take(destination);
    e.pmtu = pmtu;
    e.locked = locked;
    e.expiresUs = expiresUs;
  }

  setGateway(destination: IpAddress, gateway: IpAddress): void {
    this.take(destination).gateway = gateway;
  }

  clear(): void {
    this.map.clear();
    this.version++;
  }
  get size(): number {
    return this.map.size;
  }
}
