#!/usr/bin/env python3
"""Records what Linux does with UDP super-frames, UDP_SEGMENT, UDP_GRO and corks: test/golden/kernel-udp/README.md.

    kernel-udp.py SCENARIOS.json RECORDING.json [NAME ...]

Each scenario gets two network namespaces of its own, joined by a veth pair: the kernel under test at 10.99.0.1, and a packet socket with
virtio_net_hdr as the peer 10.99.0.2, which injects super-frames and sees what is sent. Needs root, iproute2 and ethtool.
"""
import ctypes, fcntl, json, os, select, socket, struct, subprocess, sys, time

libc = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SOL_PACKET, PACKET_VNET_HDR, PACKET_IGNORE_OUTGOING = 263, 15, 23
SOL_UDP, UDP_SEGMENT, UDP_GRO = 17, 103, 104
SO_RCVBUFFORCE = 33
GSO_UDP_L4 = 5
NEEDS_CSUM = 1
HOST_MAC, PEER_MAC = bytes.fromhex('020000000001'), bytes.fromhex('020000000002')
HOST, PEER = '10.99.0.1', '10.99.0.2'
TOLD = {'rxBytes': 0, 'rxPackets': 1, 'rxErrs': 2, 'txBytes': 8, 'txPackets': 9, 'txErrs': 10}


def run(command):
    subprocess.run(command, shell=True, check=True)


def enter(name):
    fd = os.open('/run/netns/' + name, os.O_RDONLY)
    if libc.setns(fd, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), 'setns')
    os.close(fd)


def sum16(data):
    if len(data) & 1:
        data += b'\0'
    s = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while s >> 16:
        s = (s & 0xffff) + (s >> 16)
    return s


def pattern(n):
    return bytes((i * 7 + (i >> 8)) & 255 for i in range(n))


def group_mac(group):
    b = socket.inet_aton(group)
    return b'\x01\x00\x5e' + bytes([b[1] & 0x7f]) + b[2:]


def datagram(n, segment, o):
    """A virtio_net_hdr and the frame it describes; the checksum is left to the receiver."""
    dst = o.get('dst', HOST)
    size = 8 + n
    pseudo = socket.inet_aton(PEER) + socket.inet_aton(dst) + struct.pack('!BBH', 0, 17, size)
    check = 0 if o.get('zero') else sum16(pseudo)
    udp = struct.pack('!HHHH', o.get('sport', 5001), o.get('dport', 9), o.get('ulen', size), check)
    flags = 0x4000 if o.get('df', True) else 0
    ip = struct.pack('!BBHHHBBH4s4s', 0x45, o.get('tos', 0), o.get('iplen', 20 + size), 1, flags, o.get('ttl', 64), 17, 0,
                     socket.inet_aton(PEER), socket.inet_aton(dst))
    ip = ip[:10] + struct.pack('!H', ~sum16(ip) & 0xffff) + ip[12:]
    mac = HOST_MAC
    if dst.startswith('224.'):
        mac = group_mac(dst)
    elif dst.endswith('.255'):
        mac = b'\xff' * 6
    header = struct.pack('<BBHHHH', NEEDS_CSUM, GSO_UDP_L4 if segment else 0, 42 if segment else 0, segment, 34, 6)
    return header + mac + PEER_MAC + b'\x08\0' + ip + udp + pattern(n)


def describe(data):
    """A frame that the kernel sent, as one line; test/support/udp-recording.ts writes the same."""
    flags, gso, _, segment, _, _ = struct.unpack('<BBHHHH', data[:10])
    frame = data[10:]
    if frame[12:14] != b'\x08\0':
        return None
    total, = struct.unpack('!H', frame[16:18])
    fragment, = struct.unpack('!H', frame[20:22])
    ip, rest = frame[14:34], frame[34:14 + total]
    protocol = ip[9]
    if fragment & 0x3fff:
        return 'fragment of %d at %d: %d%s' % (protocol, (fragment & 0x1fff) * 8, len(rest), ' more' if fragment & 0x2000 else '')
    if protocol == 1:
        return 'icmp %d/%d' % (rest[0], rest[1])
    if protocol not in (17, 136):
        return None
    sport, dport, length, check = struct.unpack('!HHHH', rest[:8])
    text = '%s %s>%d %d' % ('udp' if protocol == 17 else 'udplite', '*' if sport >= 32768 else sport, dport, len(rest) - 8)
    if gso:
        text += '/%d' % segment
    if fragment & 0x4000:
        text += ' df'
    pseudo = ip[12:20] + struct.pack('!BBH', 0, protocol, len(rest))
    if protocol == 17 and length != len(rest):
        text += ' length %d' % length
    if check == 0:
        text += ' no sum'
    elif (check != sum16(pseudo)) if flags & NEEDS_CSUM else sum16(pseudo + rest) != 0xffff:
        text += ' bad sum'
    return text


class Kernel:
    def __init__(self, whole):
        self.host, self.peer = 'ku-h%d' % os.getpid(), 'ku-p%d' % os.getpid()
        for ns in (self.host, self.peer):
            run(f'ip netns add {ns}; ip netns exec {ns} sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1;'
                f'ip -n {ns} link set lo up')
        run(f'ip -n {self.host} link add va address 02:00:00:00:00:01 type veth peer name vb address 02:00:00:00:00:02 netns {self.peer};'
            f'ip -n {self.peer} link set vb arp off up')
        if not whole:
            run(f'ip netns exec {self.host} ethtool -K va tx-udp-segmentation off')
        self.home = os.open('/proc/self/ns/net', os.O_RDONLY)
        enter(self.peer)
        self.wire = s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        s.setsockopt(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1)
        s.setsockopt(SOL_PACKET, PACKET_VNET_HDR, 1)
        s.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        s.bind(('vb', 0))
        enter(self.host)
        run('ip link set va up; ip addr add 10.99.0.1/24 brd + dev va; ip route add default via 10.99.0.2;'
            'ip neigh replace 10.99.0.2 lladdr 02:00:00:00:00:02 dev va; sysctl -qw net.ipv4.conf.all.send_redirects=0 net.ipv4.conf.va.send_redirects=0')
        self.sockets = {}
        self.seen = []
        self.settle()
        self.seen.clear()

    def close(self):
        for s in self.sockets.values():
            s.close()
        self.wire.close()
        libc.setns(self.home, CLONE_NEWNET)
        os.close(self.home)
        run(f'ip netns del {self.host}; ip netns del {self.peer}')

    def settle(self):
        while select.select([self.wire], [], [], 0.02)[0]:
            text = describe(self.wire.recv(70000))
            if text:
                self.seen.append(text)

    def counters(self):
        out = {}
        for name in ('snmp', 'netstat'):
            lines = open('/proc/net/' + name).read().split('\n')
            for names, values in zip(lines[::2], lines[1::2]):
                group = names.split(':')[0]
                for k, v in zip(names.split()[1:], values.split()[1:]):
                    out[group + '.' + k] = int(v)
        for line in open('/proc/net/dev'):
            if line.split(':')[0].strip() == 'va':
                columns = line.split(':')[1].split()
                for k, at in TOLD.items():
                    out['dev.' + k] = int(columns[at])
        return out

    def drops(self):
        out = {}
        for name in ('udp', 'udplite'):
            for line in open('/proc/net/' + name).read().split('\n')[1:]:
                w = line.split()
                if w and int(w[-1]):
                    out[str(int(w[1].split(':')[1], 16))] = int(w[-1])
        return out

    def step(self, op, *a):
        try:
            return getattr(self, 'do_' + op.replace('*', '_all'))(*a)
        except OSError as e:
            return -e.errno

    def do_socket(self, name, kind='udp'):
        self.sockets[name] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136 if kind == 'udplite' else 0)
        return 0

    def do_bind(self, name, port, address='', o={}):
        if o.get('reuse'):
            self.sockets[name].setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.sockets[name].bind((address, port))
        return 0

    def do_connect(self, name, address, port):
        self.sockets[name].connect((address, port))
        return 0

    def do_set(self, name, level, option, value):
        self.sockets[name].setsockopt(level, option, value)
        return 0

    def do_get(self, name, level, option):
        return self.sockets[name].getsockopt(level, option)

    def do_join(self, name, group):
        membership = socket.inet_aton(group) + socket.inet_aton(HOST)
        self.sockets[name].setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        time.sleep(2.5)  # both unasked membership reports of IGMPv3 have left
        return 0

    def do_shutdown(self, name, how):
        self.sockets[name].shutdown(how)
        return 0

    def do_close(self, name):
        self.sockets.pop(name).close()
        return 0

    def do_sysctl(self, name, value):
        run(f'sysctl -qw {name}={value}')
        return 0

    def do_mtu(self, mtu):
        run(f'ip link set va mtu {mtu}')
        return 0

    def do_settle(self):
        self.settle()
        return 0

    def do_in(self, n, segment=0, o={}):
        self.wire.send(datagram(n, segment, o))
        return 0

    def do_ready(self, name):
        return struct.unpack('i', fcntl.ioctl(self.sockets[name], 0x541b, b'\0\0\0\0'))[0]

    def do_recv(self, name, size, flags=0):
        """[what the call answers, sum of the octets, MSG_TRUNC, segment size told, sender's port]"""
        s = self.sockets[name]
        buffer = bytearray(size)
        n, control, told, sender = s.recvmsg_into([buffer], 512, flags | socket.MSG_DONTWAIT)
        segment = 0
        for level, kind, value in control:
            if level == SOL_UDP and kind == UDP_GRO:
                segment = struct.unpack('i', value)[0]
        if sender is None:
            return 0
        port = sender[1] if sender[1] < 32768 else '*'
        return [n, sum(buffer[:min(n, size)]) & 0xffff, told & socket.MSG_TRUNC, segment, port]

    def do_recv_all(self, name):
        out = []
        while True:
            r = self.step('recv', name, 70000)
            if isinstance(r, int) and r < 0:
                return out
            if r == 0:
                return out + [0]
            out.append(r)

    def do_send(self, name, n, o={}):
        control = []
        if 'segment' in o:
            control.append((SOL_UDP, UDP_SEGMENT, struct.pack('H', o['segment'])))
        to = o.get('to')
        flags = socket.MSG_DONTWAIT | (socket.MSG_MORE if o.get('more') else 0)
        return self.sockets[name].sendmsg([pattern(n)], control, flags, *([tuple(to)] if to else []))


def play(steps, whole):
    k = Kernel(whole)
    try:
        before = None
        results = []
        for s in steps:
            if before is None and s[0] not in ('socket', 'set', 'bind', 'join', 'sysctl', 'mtu'):
                before = k.counters()
                k.settle()
                k.seen.clear()
            results.append(k.step(*s))
        k.settle()
        after = k.counters()
        moved = {name: after[name] - before.get(name, 0) for name in after if after[name] != before.get(name, 0)}
        return {'results': results, 'frames': k.seen, 'moved': moved, 'drops': k.drops()}
    finally:
        k.close()


def main():
    scenarios = json.load(open(sys.argv[1]))
    out = json.load(open(sys.argv[2])) if len(sys.argv) > 3 else {}
    for name, steps in scenarios.items():
        if len(sys.argv) > 3 and name not in sys.argv[3:]:
            continue
        whole, cut = play(steps, True), play(steps, False)
        out[name] = {'whole': whole}
        if cut != whole:
            out[name]['cut'] = cut
        print(name, file=sys.stderr)
    ordered = {name: out[name] for name in scenarios if name in out}
    with open(sys.argv[2], 'w') as f:
        f.write('{\n' + ',\n'.join('%s: %s' % (json.dumps(k), json.dumps(v)) for k, v in ordered.items()) + '\n}\n')


main()
