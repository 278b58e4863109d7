"""An established connection: data in and out of order, old, beyond the window, ACKs of all kinds, SACKs, windows, urgent data, ICMP errors."""
import struct

from peer import ACK, CWR, ECE, FIN, PSH, RST, SYN, URG, ip4b, o_sack, o_ts
from scenarios import _pair
from step import Seen

WEIGHTS = {'data': 14, 'ahead': 6, 'old': 5, 'overlap': 4, 'ack': 10, 'window': 4, 'sack': 5, 'send': 12, 'recv': 5, 'rst': 2, 'syn': 2,
           'no ack': 3, 'beyond': 3, 'urgent': 2, 'bad sum': 1, 'old ts': 3, 'icmp': 2, 'ecn': 2, 'fin': .7, 'shutdown': .7, 'wait': 4}


def play(p, a, r, diary):
    ts = r.random() < .4
    small = {} if r.random() < .7 else {'rcvbuf': r.choice([2304, 8192, 20000])}
    c, f = _pair(p, a, ts=ts, sack=r.random() < .7, ws=r.choice([None, 0, 7]), win=r.choice([65535, 65535, 3000]), lopts=small)
    seen = Seen(c)
    for _ in range(r.randint(8, 22)):
        c.tsval += r.choice([0, 1, 5, 20])
        kind = r.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
        one(kind, p, a, r, c, f, seen, ts)
        diary.step(kind)
        seen.look()
        if r.random() < .35 or kind == 'wait':
            p.sleep(r.choice([.06, .06, .3]))
            seen.look()
    p.sleep(.1)
    seen.look()
    c.raw(RST, seq=seen.last.ack if seen.last else c.seq)
    p.sleep(.05)


def one(kind, p, a, r, c, f, seen, ts):
    if kind == 'data':
        n = r.choice([1, 10, 100, 1000, 1440])
        c.raw(PSH | ACK, data=b'd' * n)
        c.seq += n
    elif kind == 'ahead':
        c.raw(PSH | ACK, seq=c.seq + r.randint(1, 3000), data=b'o' * r.choice([1, 100, 1000]))
    elif kind == 'old':
        n = r.randint(1, 1300)
        c.raw(PSH | ACK, seq=c.seq - n, data=b'p' * r.choice([1, n, n + 50]))
    elif kind == 'overlap':
        c.raw(PSH | ACK, seq=c.seq - r.randint(0, 20), data=b'q' * 40)
    elif kind == 'beyond':
        c.raw(PSH | ACK, seq=c.seq + r.choice([40_000, 70_000, 1 << 20]), data=b'b' * r.choice([0, 1, 100]))
    elif kind == 'ack':
        acknowledge(r, c, seen)
    elif kind == 'window':
        c.win = r.choice([0, 0, 500, 3000, 65535])
        c.raw(ACK)
    elif kind == 'sack':
        seen.look()
        out = (seen.most - c.ackn) & 0xffffffff
        edges = [c.ackn + r.randint(-300, out + 100) for _ in range(r.randint(1, 3))]
        blocks = o_sack(*((e, e + r.choice([1, 100, 1460])) for e in edges))
        c.raw(ACK, opts=o_ts(c.tsval, c.tsecr) + blocks if ts else blocks)
    elif kind == 'send':
        a('send', fd=f, n=r.choice([1, 10, 100, 1460, 3000, 8000]))
    elif kind == 'recv':
        a('recv', fd=f, n=r.choice([10, 1000, 65536]), timeout=.01)
    elif kind == 'rst':
        c.raw(RST, seq=c.seq + r.choice([1, 50, -1, 1000, 1 << 20]))
    elif kind == 'syn':
        c.raw(SYN, seq=c.seq + r.choice([0, 1, -1, 1 << 20]), ack=0)
    elif kind == 'no ack':
        c.raw(r.choice([PSH, FIN, 0]), data=b'n' * r.choice([0, 20]))
    elif kind == 'urgent':
        n = r.choice([1, 30])
        c.raw(PSH | ACK | URG, data=b'u' * n, urg=r.choice([0, 1, n, 100]))
        c.seq += n
    elif kind == 'bad sum':
        c.raw(PSH | ACK, data=b'c' * 9, badsum=0x55)
    elif kind == 'old ts' and ts:
        c.raw(PSH | ACK, data=b'w' * r.choice([0, 10]), opts=o_ts(c.tsval - r.choice([1, 1000, 1 << 30]), c.tsecr))
    elif kind == 'ecn':
        c.raw(ACK | r.choice([ECE, CWR]))
    elif kind == 'fin':
        c.raw(FIN | ACK)
        c.seq += 1
    elif kind == 'shutdown':
        a('shutdown', fd=f, how='wr')
    elif kind == 'icmp':
        icmp_error(p, r, c, seen)


def acknowledge(r, c, seen):
    seen.look()
    x = r.random()
    if x < .6:
        c.ackn = seen.most
        c.raw(ACK)
    elif x < .8:
        c.raw(ACK, ack=c.ackn - r.choice([1, 100, 5000, 1 << 20]))
    else:
        c.raw(ACK, ack=seen.most + r.choice([1, 100, 70_000]))


def icmp_error(p, r, c, seen):
    """About a segment of the target: acknowledged, next, or ahead."""
    seen.look()
    head = struct.pack('!BBHHHBBH', 0x45, 0, 40, 1, 0, 64, 6, 0) + ip4b(p.tip) + ip4b(p.ip)
    quoted = head + struct.pack('!HHI', c.dport, c.sport, (c.ackn + r.choice([-1, 0, 5])) & 0xffffffff)
    mtu = struct.pack('!HH', 0, r.choice([1000, 1400, 60]))
    kind, code, rest = r.choice([(3, 1, bytes(4)), (3, 0, bytes(4)), (3, 4, mtu), (11, 0, bytes(4)), (12, 0, bytes(4)), (4, 0, bytes(4))])
    p.send_icmp(kind, code, rest + quoted)
