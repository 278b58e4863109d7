"""IPv6: odd addresses and headers, chains of extension headers with options of every kind, fragments, ICMPv6 of many types, UDP, TCP."""
import struct

from packets4 import pieces
from peer import csum, ip6b, mcast_mac, pseudo
from scenarios import fragh

SOURCES = ['fd99::77', '2001:db8::9', '::1', '::', 'ff02::5', 'fe80::77', '::ffff:1.2.3.4', 'fd99::1']
DESTINATIONS = ['ff02::1', 'ff02::1:ff00:1', 'ff02::2', 'ff05::9', 'ff01::1', 'ff00::1', 'ff0e::77', 'fd99::200', '2001:db8::5', '::1', '::',
                '::ffff:10.99.0.1']
WEIGHTS = {'icmp': 6, 'udp': 5, 'tcp': 3, 'chain': 9, 'protocol': 2, 'bad header': 2, 'fragments': 4}
ICMP_TYPES = [128, 128, 128, 129, 1, 2, 3, 4, 100, 127, 200, 255, 131, 132, 143, 160]
OPTION_TYPES = [0, 1, 1, 1, 5, 0xc2, 0x1e, 0x5e, 0x9e, 0xde, 4, 7, 0xc9]
HOP_BY_HOP, ROUTING, FRAGMENT, NONE, DESTINATION = 0, 43, 44, 59, 60
BAD = [dict(ver=5), dict(ver=4), dict(plen=2000), dict(plen=0), dict(plen=3)]


def options(r):
    o = b''
    while len(o) < r.choice([2, 6, 14]):
        kind = r.choice(OPTION_TYPES)
        if kind == 0:
            o += b'\0'
            continue
        n = {5: r.choice([2, 2, 2, 4]), 0xc2: r.choice([4, 4, 2])}.get(kind, r.choice([0, 1, 4, 6]))
        o += bytes([kind, n]) + bytes(n)
    pad = -(2 + len(o)) % 8
    return o + (b'\0' if pad == 1 else b'' if pad == 0 else bytes([1, pad - 2]) + bytes(pad - 2))


def extension(r, kind, following):
    if kind in (HOP_BY_HOP, DESTINATION):
        o = options(r)
        n = (2 + len(o)) // 8 - 1
        return bytes([following, r.choice([n] * 9 + [200])]) + o
    if kind == ROUTING:
        n = r.choice([0, 2])
        return bytes([following, n, r.choice([0, 2, 3, 4, 77]), r.choice([0, 0, 1, 2])]) + bytes(4 + 8 * n)
    return struct.pack('!BBHI', following, 0, r.choice([0, 0, 0, 1, 8]), r.randrange(1 << 32))


def upper(p, r, ip):
    if r.random() < .6:
        return 58, p.icmp6(128, 0, b'\0\1\0\1' + bytes(r.choice([0, 8])), src=ip['src'], dst=ip['dst'])
    return 17, p.udp(5001, r.choice([7, 6000, 9999]), b'hey', v6=True, src=ip['src'], dst=ip['dst'])


def play(p, a, r, diary):
    bound = a('socket', type='udp', family='inet6')['fd']
    a('bind', fd=bound, port=6000)
    # few: errors are limited to some a second
    for i in range(r.randint(7, 13)):
        src, dst = r.choice([p.ip6] * 8 + SOURCES), r.choice([p.tip6] * 10 + DESTINATIONS)
        link = mcast_mac(dst) if dst.startswith('ff') else r.choice([None] * 8 + [b'\x33\x33\0\0\0\1'])
        ip = dict(src=src, dst=dst, dmac=link, hlim=r.choice([64, 64, 255, 1, 0]), tc=r.choice([0, 0, 1, 2, 3]))
        kind = r.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        detail = one(kind, p, r, ip, i)
        p.sleep(r.choice([.005, .02]))
        diary.step('%s%s' % (kind, detail or ''))
        if r.random() < .15:
            a('recv', fd=bound, n=100, timeout=.01)
    p.sleep(.25)


def one(kind, p, r, ip, i):
    src, dst = ip['src'], ip['dst']
    if kind == 'icmp':
        quoted = struct.pack('!IHBB', 6 << 28, 16, r.choice([17, 6, 58, 99]), 64) + ip6b(r.choice([p.tip6, p.ip6])) + ip6b(p.ip6)
        quoted += struct.pack('!HHHH', 6000, 7, 16, 0)
        body = r.choice([bytes(4), bytes(4) + quoted, bytes(4) + quoted[:r.randint(0, 47)], bytes(r.randint(0, 40))])
        number = r.choice(ICMP_TYPES)
        p.ip6p(58, p.icmp6(number, r.choice([0, 0, 1, 4, 9]), body, src=src, dst=dst, badsum=r.choice([0] * 8 + [0x77])), **ip)
        return number
    if kind == 'udp':
        d = p.udp(5001, r.choice([7, 6000, 9999, 9, 0]), bytes(r.choice([0, 1, 30])), v6=True, src=src, dst=dst,
                  badsum=r.choice([0] * 6 + [0x33]), ulen=r.choice([None] * 8 + [4, 7, 2000, 0]), zerosum=r.random() < .1)
        p.ip6p(r.choice([17] * 6 + [136]), d, **ip)
    elif kind == 'tcp':
        flags = r.choice([5, 5, 5, 4, 15]) << 12 | r.choice([0, 2, 16, 4, 17, 18])
        h = struct.pack('!HHIIHHHH', 30000 + i, r.choice([7, 5555, 0]), r.randrange(1 << 32), r.randrange(1 << 32), flags, 1000, 0, 0)
        if r.random() < .8:
            h = h[:16] + struct.pack('!H', csum(pseudo(src, dst, 6, len(h)) + h)) + h[18:]
        p.ip6p(6, h[:r.choice([20, 20, 12])], **ip)
    elif kind == 'chain':
        return chain(p, r, ip)
    elif kind == 'protocol':
        p.ip6p(r.choice([2, 4, 41, 47, 50, 51, 89, 132, 255, 135, 139]), bytes(r.choice([0, 4, 40])), **ip)
    elif kind == 'bad header':
        following, body = upper(p, r, ip)
        p.ip6p(following, body, **{**ip, **r.choice(BAD)})
    elif kind == 'fragments':
        return fragments(p, r, ip)


def chain(p, r, ip):
    kinds = [r.choice([HOP_BY_HOP, HOP_BY_HOP, DESTINATION, DESTINATION, ROUTING, FRAGMENT]) for _ in range(r.randint(1, 3))]
    following, body = (NONE, b'') if r.random() < .1 else upper(p, r, ip)
    body = body[:r.choice([len(body)] * 8 + [3, 0])]
    headers = b''
    for kind in reversed(kinds):
        headers = extension(r, kind, following) + headers
        following = kind
    p.ip6p(following, body, ext=headers, first=following, **ip)
    return ' ' + ','.join(map(str, kinds))


def fragments(p, r, ip):
    count, size = r.choice([2, 3]), r.choice([8, 24, 800])
    if r.random() < .6:
        protocol, data = 17, p.udp(5001, r.choice([7, 6000, 9999]), bytes(count * size - 8), v6=True, src=ip['src'], dst=ip['dst'])
    else:
        protocol, data = 58, p.icmp6(128, 0, bytes(count * size - 4), src=ip['src'], dst=ip['dst'])
    way, parts = pieces(r, data, count, size)
    ident = r.randrange(1 << 32)
    for at, x, more in parts:
        p.ip6p(protocol, x, ext=fragh(protocol, at, int(more), ident), first=FRAGMENT, **ip)
    return ' ' + way
