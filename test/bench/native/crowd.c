/*
 * A crowd of TCP clients made of frames on the kernel's side of a TAP (AF_PACKET), which cost the machine eight bytes each: what a million
 * connections cost the stack can be seen beside them. Their addresses are nobody's on this side, so that the kernel stays silent.
 *
 *   crowd hold DEVICE MAC ADDRESSES   lines of standard input say how many connections there shall be; each is answered by a JSON line when
 *                                     so many have echoed a byte; ends with standard input, and meanwhile answers ARP
 *   crowd visit IP COUNT              kernel sockets: connect, one byte to and fro, close by RST; the times of connect + echo
 */
#include "common.h"
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>

#define SERVER 0x0a4d0002u  /* 10.77.0.2 */
#define NETWORK 0x0a4d1000u /* clients: 10.77.16.0 and what follows */
#define FIRST_PORT 1024
#define PORTS 64000
#define ECHO 7
#define AT_ONCE 64   /* handshakes under way: less than the services' backlog */
#define BATCH 64
#define FRAME 128
#define RETRY 0.3

enum { IDLE, SYN_SENT, DATA_SENT, DONE };
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

/* ---- frames */

static int device, addresses;
static unsigned char server_mac[6], our_mac[6] = {2, 0, 0, 0, 0x77, 1};
static unsigned char out[BATCH][FRAME], in[BATCH][2048];
static struct iovec out_parts[BATCH], in_parts[BATCH];
static struct mmsghdr out_frames[BATCH], in_frames[BATCH];
static unsigned queued;
static uint32_t echo_of_time;
static unsigned long lost;

static void put16(unsigned char *p, uint16_t v) { p[0] = v >> 8, p[1] = v; }
static void put32(unsigned char *p, uint32_t v) { put16(p, v >> 16), put16(p + 2, v); }
static uint16_t get16(const unsigned char *p) { return p[0] << 8 | p[1]; }
static uint32_t get32(const unsigned char *p) { return (uint32_t)get16(p) << 16 | get16(p + 2); }

static void flush(void) {
  for (unsigned done = 0; done < queued;) {
    int n = sendmmsg(device, out_frames + done, queued - done, 0);
    if (n > 0) done += n;
    else if (errno == ENOBUFS || errno == EAGAIN) { /* the TAP's queue is full: what is lost is sent again by the clock */
      lost += queued - done;
      break;
    } else exit(fail("sendmmsg"));
  }
  queued = 0;
}
static unsigned char *frame(unsigned length) {
  if (queued == BATCH) flush();
  out_parts[queued].iov_len = length;
  unsigned char *f = out[queued++];
  memcpy(f, server_mac, 6);
  memcpy(f + 6, our_mac, 6);
  return f;
}
static uint32_t sum(const unsigned char *p, unsigned n, uint32_t s) {
  for (; n > 1; p += 2, n -= 2) s += get16(p);
  return n ? s + (p[0] << 8) : s;
}
static uint16_t folded(uint32_t s) {
  while (s >> 16) s = (s & 0xffff) + (s >> 16);
  return ~s;
}

/* ---- clients */

static uint32_t *expected; /* RCV.NXT */
static unsigned char *state;
static unsigned limit, wanted, started, done;
static unsigned under_way[AT_ONCE];
static double sent_at[AT_ONCE];
static unsigned count_under_way;
static unsigned long again;

static uint32_t first_seq(unsigned client) { return (client + 1) * 0x9e3779b1u; }

static void segment(unsigned client, unsigned flags, uint32_t seq, unsigned bytes) {
  unsigned options = flags & SYN ? 20 : 12, tcp = 20 + options + bytes;
  unsigned char *f = frame(14 + 20 + tcp), *ip = f + 14, *t = ip + 20, *o = t + 20;
  put16(f + 12, ETHERTYPE_IP);
  memset(ip, 0, 40);
  ip[0] = 0x45, ip[6] = 0x40, ip[8] = 64, ip[9] = 6;
  put16(ip + 2, 20 + tcp);
  put32(ip + 12, NETWORK + client % addresses);
  put32(ip + 16, SERVER);
  put16(ip + 10, folded(sum(ip, 20, 0)));
  put16(t, FIRST_PORT + client / addresses);
  put16(t + 2, ECHO);
  put32(t + 4, seq);
  put32(t + 8, flags & ACK ? expected[client] : 0);
  t[12] = (20 + options) << 2, t[13] = flags;
  put16(t + 14, 65535);
  uint32_t clock = (uint32_t)(now() * 1000);
  if (flags & SYN) {
    put32(o, 0x020405b4), put32(o + 4, 0x0402080a), put32(o + 8, clock), put32(o + 12, 0), put32(o + 16, 0x01030307);
  } else put32(o, 0x0101080a), put32(o + 4, clock), put32(o + 8, echo_of_time);
  if (bytes) o[options] = 'x';
  put16(t + 16, folded(sum(t, tcp, sum(ip + 12, 8, 6 + tcp))));
}
static void speak(unsigned client) {
  if (state[client] == SYN_SENT) segment(client, SYN, first_seq(client), 0);
  else segment(client, ACK | PSH, first_seq(client) + 1, 1); /* the handshake's last ACK brings the byte */
}
static void over(unsigned client) {
  state[client] = DONE;
  done++;
  for (unsigned i = 0; i < count_under_way; i++)
    if (under_way[i] == client) {
      count_under_way--;
      under_way[i] = under_way[count_under_way];
      sent_at[i] = sent_at[count_under_way];
      return;
    }
}
static void start_some(void) {
  for (; count_under_way < AT_ONCE && started < wanted; started++) {
    state[started] = SYN_SENT;
    under_way[count_under_way] = started;
    sent_at[count_under_way++] = now();
    speak(started);
  }
}
static void repeat(void) {
  double t = now();
  for (unsigned i = 0; i < count_under_way; i++)
    if (t - sent_at[i] > RETRY) {
      again++;
      sent_at[i] = t;
      speak(under_way[i]);
    }
}

static void segment_came(const unsigned char *f, unsigned length) {
  const unsigned char *ip = f + 14, *t = ip + 20;
  if (length < 54 || ip[0] != 0x45 || ip[9] != 6 || get32(ip + 12) != SERVER) return;
  unsigned at = get32(ip + 16) - NETWORK, client = (get16(t + 2) - FIRST_PORT) * addresses + at;
  unsigned header = (t[12] >> 4) * 4, flags = t[13], bytes = get16(ip + 2) - 20 - header;
  if (at >= (unsigned)addresses || client >= limit || state[client] == IDLE) return;
  if (flags & RST) {
    fprintf(stderr, "client %u was reset\n", client);
    exit(1);
  }
  if (header >= 32) echo_of_time = get32(t + (flags & SYN ? 28 : 24));
  unsigned space = bytes + !!(flags & SYN) + !!(flags & FIN);
  if (space == 0) return;
  expected[client] = get32(t + 4) + space;
  if (flags & SYN && state[client] == SYN_SENT) {
    state[client] = DATA_SENT;
    speak(client);
    return;
  }
  segment(client, ACK, first_seq(client) + 2, 0);
  if (state[client] == DATA_SENT && bytes) over(client);
}
static void arp_came(const unsigned char *f, unsigned length) {
  if (length < 42 || get16(f + 20) != 1 || get32(f + 38) - NETWORK >= (uint32_t)addresses) return;
  unsigned char *a = frame(42);
  memcpy(a + 12, f + 12, 10);
  a[21] = 2;
  memcpy(a + 22, our_mac, 6);
  memcpy(a + 28, f + 38, 4);
  memcpy(a + 32, f + 22, 10);
}
static void take_frames(void) {
  for (;;) {
    int n = recvmmsg(device, in_frames, BATCH, MSG_DONTWAIT, NULL);
    if (n <= 0) break;
    for (int i = 0; i < n; i++) {
      unsigned type = get16(in[i] + 12);
      if (type == ETHERTYPE_IP) segment_came(in[i], in_frames[i].msg_len);
      else if (type == ETHERTYPE_ARP) arp_came(in[i], in_frames[i].msg_len);
    }
    start_some();
    flush();
  }
}

static void open_device(const char *name) {
  device = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
  struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_ALL), .sll_ifindex = if_nametoindex(name)};
  int room = 64 << 20, on = 1;
  if (device < 0 || !at.sll_ifindex || bind(device, (struct sockaddr *)&at, sizeof at)) exit(fail(name));
  setsockopt(device, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room);
  setsockopt(device, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof room);
  setsockopt(device, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on);
  /* only what is for the crowd, and ARP: frames for others shall not wake it while they are timed */
  struct sock_filter ours[] = {
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 2),       BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, get32(our_mac + 2), 2, 0),
      BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_ARP, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, 0xffff),           BPF_STMT(BPF_RET | BPF_K, 0),
  };
  struct sock_fprog filter = {sizeof ours / sizeof ours[0], ours};
  if (setsockopt(device, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter)) exit(fail("filter"));
  for (int i = 0; i < BATCH; i++) {
    in_parts[i] = (struct iovec){in[i], sizeof in[i]};
    out_parts[i] = (struct iovec){out[i], FRAME};
    in_frames[i].msg_hdr = (struct msghdr){.msg_iov = &in_parts[i], .msg_iovlen = 1};
    out_frames[i].msg_hdr = (struct msghdr){.msg_iov = &out_parts[i], .msg_iovlen = 1};
  }
}

static int hold(void) {
  char line[32];
  double began = 0;
  limit = addresses * PORTS;
  expected = calloc(limit, sizeof *expected);
  state = calloc(limit, 1);
  for (;;) {
    struct pollfd ready[2] = {{device, POLLIN, 0}, {0, POLLIN, 0}};
    poll(ready, 2, count_under_way ? 100 : 1000);
    if (ready[1].revents) {
      ssize_t n = read(0, line, sizeof line - 1);
      if (n <= 0) return 0;
      line[n] = 0;
      wanted = strtoul(line, NULL, 10);
      if (wanted > limit || wanted <= done) return fprintf(stderr, "%u connections cannot be\n", wanted), 1;
      began = now();
      start_some();
    }
    take_frames();
    repeat();
    flush();
    if (wanted && done == wanted) {
      printf("{\"open\":%u,\"seconds\":%.3f,\"again\":%lu,\"lost\":%lu}\n", done, now() - began, again, lost);
      fflush(stdout);
      wanted = 0;
    }
  }
}

/* ---- kernel sockets */

static int by_size(const void *a, const void *b) { return (*(double *)a > *(double *)b) - (*(double *)a < *(double *)b); }

static int visit(const char *ip, int count) {
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(ECHO)};
  struct linger at_once = {1, 0};
  struct timeval patience = {10, 0};
  double *times = malloc(count * sizeof *times), sum_us = 0;
  inet_pton(AF_INET, ip, &to.sin_addr);
  for (int i = 0; i < count; i++) {
    char c = 'x';
    int on = 1, fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    double from = now();
    if (connect(fd, (struct sockaddr *)&to, sizeof to) || send(fd, &c, 1, 0) != 1 || recv(fd, &c, 1, 0) != 1) return fail("visit");
    times[i] = (now() - from) * 1e6;
    sum_us += times[i];
    close(fd);
  }
  qsort(times, count, sizeof *times, by_size);
  printf("{\"visits\":%d,\"meanUs\":%.1f,\"medianUs\":%.1f,\"p99Us\":%.1f,\"maxUs\":%.1f}\n", count, sum_us / count, times[count / 2],
         times[count * 99 / 100], times[count - 1]);
  return 0;
}

int main(int argc, char **argv) {
  end_with_parent();
  if (argc == 5 && !strcmp(argv[1], "hold")) {
    unsigned m[6];
    if (sscanf(argv[3], "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6) return 2;
    for (int i = 0; i < 6; i++) server_mac[i] = m[i];
    addresses = atoi(argv[4]);
    open_device(argv[2]);
    return hold();
  }
  if (argc == 4 && !strcmp(argv[1], "visit")) return visit(argv[2], atoi(argv[3]));
  fprintf(stderr, "usage: crowd hold DEVICE MAC ADDRESSES | visit IP COUNT\n");
  return 2;
}
