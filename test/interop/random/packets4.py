"""IPv4: odd addresses, headers, options, fragments, protocols, ICMP of every type, UDP, TCP without a connection."""
import struct

from peer import csum, ip4b, mcast_mac, pseudo

BROADCAST = b'\xff' * 6
SOURCES = ['10.99.0.77', '192.0.2.9', '127.0.0.5', '0.0.0.0', '255.255.255.255', '224.0.0.5', '10.99.0.255', '10.99.0.1', '240.1.2.3']
DESTINATIONS = ['10.99.0.255', '255.255.255.255', '224.0.0.1', '239.1.2.3', '10.99.0.200', '127.0.0.1', '10.99.0.0', '203.0.113.5', '240.0.0.9']
WEIGHTS = {'icmp': 8, 'udp': 8, 'tcp': 5, 'fragments': 7, 'protocol': 3, 'bad header': 4, 'options': 4, 'igmp': 2}
ICMP_TYPES = [8, 8, 8, 0, 3, 4, 5, 9, 10, 11, 12, 13, 13, 14, 17, 18, 30, 40, 42, 255]
TCP_FLAGS = [0, 2, 16, 4, 17, 18, 1, 3, 20, 41]
OPTIONS = [bytes.fromhex(x) for x in (
    '0707040000000000 070b08000000000000000000 440c05000000000000000000 440c05010000000000000000 440c0df10000000000000000 44040500 '
    '8307040a63000100 8907080a63000200 94040000 01010100 07000400 820b00000000000000000000 07030400 99040000 86040000 860a00000001010400000000 '
    '4408050300000000 440c09030000000000000000 0707030000000000 94030000 99010000 01010107').split()]
BAD = [dict(badsum=0x11), dict(ver=5), dict(ver=6), dict(ihl=4), dict(ihl=15), dict(totlen=19), dict(totlen=5000), dict(totlen=24), dict(mf=1),
       dict(df=1)]


def link_address(r, p, dst):
    if dst == p.tip:
        return r.choice([None] * 6 + [BROADCAST, mcast_mac('224.0.0.1')])
    return r.choice([None, BROADCAST, mcast_mac(dst) if dst[:3] in ('224', '239') else BROADCAST])


def play(p, a, r, diary):
    bound = a('socket', type='udp')['fd']
    a('bind', fd=bound, port=6000)
    for i in range(r.randint(20, 40)):
        src, dst = r.choice([p.ip] * 8 + SOURCES), r.choice([p.tip] * 9 + DESTINATIONS)
        ip = dict(src=src, dst=dst, ttl=r.choice([64, 64, 1, 0, 255]), tos=r.choice([0, 0, 1, 2, 3, 0x10]), dmac=link_address(r, p, dst))
        kind = r.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        detail = one(kind, p, r, ip, i)
        diary.step('%s%s' % (kind, detail or ''))
        if r.random() < .3:
            p.sleep(.02)
        if r.random() < .15:
            a('recv', fd=bound, n=100, timeout=.01)
    p.sleep(.2)


def one(kind, p, r, ip, i):
    if kind == 'icmp':
        quoted = struct.pack('!BBHHHBBH', 0x45, 0, 60, 1, 0, 64, r.choice([17, 6, 1, 99]), 0)
        quoted += ip4b(r.choice([p.tip, p.ip])) + ip4b(p.ip) + struct.pack('!HHHH', 6000, 7, 40, 0)
        body = r.choice([bytes(4), bytes(4) + quoted, bytes(4) + quoted[:r.randint(0, 27)], bytes(r.randint(0, 60)), bytes([0, 1, 0, i]) + bytes(16)])
        number = r.choice(ICMP_TYPES)
        p.ip4(1, p.icmp(number, r.choice([0, 0, 0, 1, 3, 4, 13, 20]), body, badsum=r.choice([0] * 7 + [0x77])), **ip)
        return number
    if kind == 'udp':
        data = bytes(r.choice([0, 1, 30, 1400]))
        d = p.udp(5001, r.choice([7, 6000, 6000, 9999, 9, 0]), data, src=ip['src'], dst=ip['dst'], badsum=r.choice([0] * 6 + [0x33]),
                  ulen=r.choice([None] * 8 + [4, 7, 2000, 12]), zerosum=r.random() < .1)
        p.ip4(r.choice([17] * 6 + [136]), d, **ip)
    elif kind == 'tcp':
        flags = r.choice([5, 5, 5, 4, 8, 15]) << 12 | r.choice(TCP_FLAGS)
        h = struct.pack('!HHIIHHHH', 30000 + i, r.choice([7, 5555, 0]), r.randrange(1 << 32), r.randrange(1 << 32), flags, 1000, 0, 0)
        if r.random() < .8:
            h = h[:16] + struct.pack('!H', csum(pseudo(ip['src'], ip['dst'], 6, len(h)) + h)) + h[18:]
        p.ip4(6, h[:r.choice([20, 20, 20, 12, 0])], **ip)
    elif kind == 'fragments':
        return fragments(p, r, ip)
    elif kind == 'protocol':
        p.ip4(r.choice([2, 4, 41, 47, 50, 51, 88, 89, 132, 255, 0, 136, 103]), bytes(r.randint(0, 40)), **ip)
    elif kind == 'bad header':
        p.ip4(1, p.icmp(8, 0, b'\0\1\0\1'), **ip, **r.choice(BAD))
    elif kind == 'options':
        echo = r.random() < .7
        body = p.icmp(8, 0, b'\0\1\0\1' + bytes(8)) if echo else p.udp(5001, r.choice([7, 9999]), b'hey', src=ip['src'], dst=ip['dst'])
        p.ip4(1 if echo else 17, body, opts=r.choice(OPTIONS), **ip)
    elif kind == 'igmp':
        body = r.choice([b'\x11\x05\xee\xfa\0\0\0\0', b'\x16\0\x09\xfd\xe0\0\0\x01', bytes(3)])
        p.ip4(2, body, src=ip['src'], dst=r.choice(['224.0.0.1', ip['dst']]), ttl=1)


def pieces(r, data, count, size):
    """In any order, and in most ways in which they can be wrong. @returns (the way, [(offset, data, more)])"""
    parts = [(k * size, data[k * size:(k + 1) * size], k < count - 1) for k in range(count)]
    r.shuffle(parts)
    way = r.choice(['all', 'all', 'all', 'lost', 'twice', 'overlap', 'odd', 'far', 'behind'])
    if way == 'lost':
        parts = parts[1:]
    elif way == 'twice':
        parts += parts[:1]
    elif way == 'overlap':
        at, x, more = parts[0]
        parts.insert(1, (at + 8 if size > 8 else at, x, more))
    elif way == 'odd':
        parts = [(at, x[:-3] if more else x, more) for at, x, more in parts]
    elif way == 'far':
        parts.insert(1, (65528, parts[-1][1], False))
        del parts[2:]
    elif way == 'behind':
        parts.append((count * size + 8, bytes(8), False))
    return way, parts


def fragments(p, r, ip):
    count, size = r.choice([2, 2, 3]), r.choice([8, 24, 800])
    if r.random() < .6:
        protocol, data = 17, p.udp(5001, r.choice([7, 6000, 9999]), bytes(count * size - 8), src=ip['src'], dst=ip['dst'])
    else:
        protocol, data = 1, p.icmp(8, 0, bytes(count * size - 4))
    way, parts = pieces(r, data, count, size)
    ident = r.randrange(1 << 16)
    for at, x, more in parts:
        p.ip4(protocol, x, ident=ident, frag=at, mf=int(more), **ip)
    return ' ' + way
