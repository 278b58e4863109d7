"""Connections that begin and end: SYN-SENT and SYN-RECEIVED under odd segments, closing from either side, resets, TIME-WAIT."""
from peer import ACK, FIN, PSH, RST, SYN, Tcp
from scenarios import _listen
from step import Seen

SYN_SENT = ['syn-ack', 'syn-ack', 'syn-ack', 'rst', 'rst-ack', 'bad rst-ack', 'bad ack', 'ack', 'syn', 'data', 'bad syn-ack', 'wait']
SYN_RECEIVED = ['ack', 'ack', 'ack', 'ack and data', 'fin', 'rst', 'bad rst', 'bad ack', 'syn', 'other syn', 'old', 'no ack', 'wait']
LATER = ['close', 'close', 'linger', 'shutdown', 'fin', 'fin', 'bad fin', 'ack', 'ack', 'old ack', 'data', 'old data', 'ahead', 'send', 'recv',
         'rst', 'bad rst', 'syn', 'no ack', 'wait']
OF_THE_USER = {'close', 'linger', 'shutdown', 'send', 'recv'}


class Play:
    """One connection, and in `now` what may come next and who plays it."""

    def __init__(self, p, a, r):
        self.p, self.a, self.r, self.fd = p, a, r, None
        options = {'ts': r.random() < .4, 'sack': r.random() < .7, 'ws': r.choice([None, 7])}
        if r.random() < .4:
            self.now, self.c, self.listener = (SYN_SENT, self.syn_sent), Tcp(p, 0, sport=5001, **options), None
            self.called()
        else:
            self.now, self.c, self.listener = (SYN_RECEIVED, self.syn_received), Tcp(p, 6000, **options), _listen(a)
            self.c.syn()
            self.c.got(self.c.expect(SYN | ACK))
            self.c.seq += 1
        self.seen = Seen(self.c)

    def called(self):
        """The target calls us."""
        c, self.fd = self.c, self.a('socket', type='tcp')['fd']
        self.a('connect', fd=self.fd, addr=self.p.ip, port=5001)
        q = self.p.expect(lambda q: q.kind == 'tcp' and q.flags & (SYN | ACK) == SYN and q.dport == 5001, 2)
        c.dport = q.sport
        c.got(q)

    def syn_sent(self, kind):
        c, r = self.c, self.r
        if kind == 'syn-ack':
            c.raw(SYN | ACK, opts=c.synopts())
            c.seq += 1
            self.now = (LATER, self.later)
        elif kind == 'bad syn-ack':
            c.raw(SYN | ACK, ack=c.ackn + r.choice([1, -1]), opts=c.synopts())
        elif kind == 'rst':
            c.raw(RST)
        elif kind == 'rst-ack':
            c.raw(RST | ACK)
        elif kind == 'bad rst-ack':
            c.raw(RST | ACK, ack=c.ackn + r.choice([1, 5, -1]))
        elif kind == 'bad ack':
            c.raw(ACK, ack=c.ackn + r.choice([1, 100, -1]))
        elif kind == 'ack':
            c.raw(ACK)
        elif kind == 'syn':
            c.raw(SYN, opts=c.synopts())
        elif kind == 'data':
            c.raw(PSH | ACK, data=b'xx')

    def syn_received(self, kind):
        c, r = self.c, self.r
        if kind in ('ack', 'ack and data', 'fin'):
            data = b'hello' if kind == 'ack and data' else b''
            c.raw((FIN if kind == 'fin' else PSH if data else 0) | ACK, data=data)
            c.seq += len(data) + (kind == 'fin')
            self.seen.look()
            self.now = (LATER, self.later)
            try:
                self.fd = self.a('accept', fd=self.listener, timeout=.3)['fd']
            except RuntimeError:
                pass
        elif kind == 'rst':
            c.raw(RST)
        elif kind == 'bad rst':
            c.raw(RST, seq=c.seq + r.choice([1, 100, 100_000, -1]))
        elif kind == 'bad ack':
            c.raw(ACK, ack=c.ackn + r.choice([1, -1, 5000]))
        elif kind == 'syn':
            c.raw(SYN, seq=c.iss, ack=0, opts=c.synopts())
        elif kind == 'other syn':
            c.raw(SYN, seq=c.iss + r.choice([1, 1000, -5]), ack=0, opts=c.synopts())
        elif kind == 'old':
            c.raw(ACK, seq=c.seq - r.choice([1, 2, 100]))
        elif kind == 'no ack':
            c.raw(r.choice([PSH, FIN, 0]), data=b'q')

    def later(self, kind):
        c, r = self.c, self.r
        if kind in OF_THE_USER:
            self.user(kind)
        elif kind == 'fin':
            c.raw(FIN | ACK)
            c.seq += 1
        elif kind == 'bad fin':
            c.raw(FIN | ACK, seq=c.seq + r.choice([1, -1, 70_000]))
        elif kind == 'ack':
            self.seen.look()
            c.ackn = self.seen.most
            c.raw(ACK)
        elif kind == 'old ack':
            c.raw(ACK, ack=c.ackn - r.choice([1, 100]))
        elif kind == 'data':
            c.raw(PSH | ACK, data=b'd' * 20)
            c.seq += 20
        elif kind == 'ahead':
            c.raw(PSH | ACK, seq=c.seq + 50, data=b'd' * 20)
        elif kind == 'old data':
            c.raw(PSH | ACK, seq=c.seq - 10, data=b'd' * 10)
        elif kind == 'rst':
            c.raw(RST)
        elif kind == 'bad rst':
            c.raw(RST, seq=c.seq + r.choice([1, -1, 100_000]))
        elif kind == 'syn':
            c.raw(SYN, seq=c.seq + r.choice([0, 1, -5, 100_000]), ack=0, opts=c.synopts())
        elif kind == 'no ack':
            c.raw(r.choice([PSH, FIN, 0]), data=b'q')

    def user(self, kind):
        """What the target's user does; refused where there is no connection any more."""
        if self.fd is None:
            return
        a, fd, r = self.a, self.fd, self.r
        try:
            if kind == 'shutdown':
                a('shutdown', fd=fd, how=r.choice(['wr', 'rd', 'rdwr']))
            elif kind == 'send':
                a('send', fd=fd, n=r.choice([1, 100, 2000]))
            elif kind == 'recv':
                a('recv', fd=fd, n=100, timeout=.01)
            else:
                self.fd = None
                if kind == 'linger':
                    a('opt', fd=fd, name='linger', value=[1, 0])
                a('close', fd=fd)
        except RuntimeError:
            pass


def play(p, a, r, diary):
    t = Play(p, a, r)
    for _ in range(r.randint(6, 16)):
        t.c.tsval += r.choice([0, 1, 5])
        kinds, do = t.now
        kind = r.choice(kinds)
        do(kind)
        if kind == 'wait':
            p.sleep(r.choice([.06, .3]) if kinds is LATER else 1.3)
        t.seen.look(.015)
        diary.step(kind)
    p.sleep(.1)
    t.seen.look()
    t.c.raw(RST, seq=t.c.seq)
    p.sleep(.05)
