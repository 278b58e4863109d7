/**
 * Addresses as text. Everywhere in mib/ an address is four host-order 32-bit words, IPv4 in its mapped form ::ffff:a.b.c.d
 * (RFC 4291 2.5.5.2); the text form is that of RFC 5952, which is what inet_ntop prints too.
 */

export function ipv4Text(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

export function ipv6Text(w0: number, w1: number, w2: number, w3: number): string {
  const mapped = w2 >>> 0 === 0xffff;
  if (w0 === 0 && w1 === 0 && (mapped || (w2 === 0 && w3 >>> 16 !== 0))) return `::${mapped ? 'ffff:' : ''}${ipv4Text(w3)}`;
  const words = [w0, w1, w2, w3];
  const part = (i: number) => (i & 1 ? words[i >> 1]! & 0xffff : words[i >> 1]! >>> 16);
  let best = -1;
  let bestLength = 1; // a single zero is not shortened
  for (let i = 0; i < 8; i++) {
    let n = 0;
    while (i + n < 8 && part(i + n) === 0) n++;
    if (n > bestLength) {
      best = i;
      bestLength = n;
    }
    i += n;
  }
  const hex = (from: number, to: number) => Array.from({ length: to - from }, (_, k) => part(from + k).toString(16)).join(':');
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}

/** The 32 hexadecimal digits of an IPv6 address in text; one that has IPv4 in it has it in hexadecimal. */
export function hexAddress6(text: string): string {
  const [head, tail] = text.split('::') as [string, string | undefined];
  const parts = (s: string | undefined) => (s ? s.split(':') : []);
  const after = parts(tail);
  const zeros = tail === undefined ? [] : Array<string>(8 - parts(head).length - after.length).fill('0');
  return [...parts(head), ...zeros, ...after].map((p) => p.padStart(4, '0')).join('');
}

/** Four words that lie anywhere in an array, as a family says. */
export function addressText(family: number, words: ArrayLike<number>, at: number): string {
  return family === 4
    ? ipv4Text(words[at + 3]! | 0)
    : ipv6Text(words[at]! >>> 0, words[at + 1]! >>> 0, words[at + 2]! >>> 0, words[at + 3]! >>> 0);
}

/** An address, or the name, that nobody but this host reaches. */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.(25[0-5]|2[0-4]\d|1?\d?\d)){3}$/.test(host);
}

/** `10.77.0.2:80` or `[fd77::2]:80`. */
export function endpointText(family: number, address: string, port: number): string {
  return family === 4 ? `${address}:${port}` : `[${address}]:${port}`;
}

/** `10.77.0.2:80-10.77.0.1:45678`, local end first: the name of a connection. */
export function connectionName(family: number, local: string, localPort: number, remote: string, remotePort: number): string {
  return `${endpointText(family, local, localPort)}-${endpointText(family, remote, remotePort)}`;
}
