"""What the random scenarios share: their source of chance, and a diary that says after each step which counters it moved."""
import os, random

#: The oracle's reader of /proc/net/{snmp,netstat,snmp6}; set by the command.
read_counters = None
#: With STEPS=1 in the environment every step is followed by a look at the counters: slower, and another timing.
EACH = bool(os.environ.get('STEPS'))


class Diary:
    """The steps of one scenario, and with STEPS=1 what each moved."""

    def __init__(self, peer, agent):
        self.peer, self.agent, self.lines, self.last = peer, agent, [], None
        if EACH:
            self.last = self.counters()
            self.sent, send = b'', peer.send

            def noted(frame):
                self.sent = frame
                send(frame)
            peer.send = noted

    def counters(self):
        self.peer.sleep(.05)
        return read_counters(self.agent('counters'))

    def step(self, what):
        if EACH:
            now = self.counters()
            moved = {k: v - self.last.get(k, 0) for k, v in now.items() if v != self.last.get(k, 0)}
            self.last = now
            what = '%s %s: %s\n' % (what, self.sent.hex()[:400], moved)
        self.lines.append(what)

    def text(self):
        return ' '.join(self.lines)


def seeded(play, seed):
    def scenario(peer, agent):
        diary = Diary(peer, agent)
        play(peer, agent, random.Random('%s %d' % (play.__module__, seed)), diary)
        return diary.text()
    scenario.__doc__ = 'seed %d' % seed
    return scenario


class Seen:
    """How far the target's data goes, and the timestamp to echo."""

    def __init__(self, c):
        self.c, self.most, self.last = c, c.ackn, None

    def look(self, seconds=.004):
        from peer import FIN, SYN
        for q in self.c.p.drain(seconds):
            if not self.c.mine(q):
                continue
            end = (q.seq + len(q.data) + (1 if q.flags & (SYN | FIN) else 0)) & 0xffffffff
            if (end - self.most) & 0xffffffff < 1 << 31:
                self.most = end
            if 8 in q.opts:
                self.c.tsecr = int.from_bytes(q.opts[8][:4], 'big')
            self.last = q
