/*
 * The bench's UDP peer on the kernel's own sockets. One JSON line a run.
 *
 *   datagrams serve                                 echo 7, discard 9 on every address
 *   datagrams echo IP PORT SECONDS SIZE             one datagram to and fro
 *   datagrams window IP PORT SECONDS SIZE WINDOW    as many under way; datagrams that came back
 *   datagrams flood IP PORT SECONDS SIZE [SEGMENTS] one way, as fast as they are taken; with SEGMENTS cut from larger ones (UDP_SEGMENT)
 */
#include "common.h"
#include <pthread.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif
#define BATCH 32
#define LARGEST 65507

static char block[BATCH][LARGEST];
static int fd;
static double seconds;
static int size;

/* BATCH buffers of so many octets each. */
static void batch(struct mmsghdr *m, struct iovec *v, int octets) {
  memset(m, 0, BATCH * sizeof *m);
  for (int i = 0; i < BATCH; i++) {
    v[i] = (struct iovec){block[i], octets};
    m[i].msg_hdr.msg_iov = &v[i];
    m[i].msg_hdr.msg_iovlen = 1;
  }
}

static int echo(void) {
  struct latencies l = latencies(1 << 22);
  long lost = 0, rounds = 0;
  time_limit(fd, 0.2);
  double start = now(), last = start;
  while (last - start < seconds) {
    if (send(fd, block[0], size, 0) != size) return fail("send");
    int ok = recv(fd, block[0], LARGEST, 0) == size;
    double t = now();
    if (ok) {
      rounds++;
      note(&l, t - last);
    } else lost++;
    last = t;
  }
  printf("{\"rate\":%.0f,\"lost\":%ld", rounds / (last - start), lost);
  print_latencies(&l);
  printf("}\n");
  return 0;
}

static int window(int most) {
  struct mmsghdr m[BATCH];
  struct iovec v[BATCH];
  long back = 0, lost = 0, under_way = 0;
  time_limit(fd, 0.2);
  double start = now();
  while (now() - start < seconds) {
    while (under_way < most) {
      int n = most - under_way < BATCH ? most - under_way : BATCH;
      batch(m, v, size);
      n = sendmmsg(fd, m, n, 0);
      if (n <= 0) return fail("send");
      under_way += n;
    }
    batch(m, v, LARGEST);
    int n = recvmmsg(fd, m, BATCH, MSG_WAITFORONE, NULL);
    if (n <= 0) {
      lost += under_way; /* nothing came for as long as a round trip never takes */
      under_way = 0;
      continue;
    }
    back += n;
    under_way -= n;
    if (under_way < 0) under_way = 0;
  }
  printf("{\"rate\":%.0f,\"lost\":%ld}\n", back / (now() - start), lost);
  return 0;
}

static int flood(int segments) {
  struct mmsghdr m[BATCH];
  struct iovec v[BATCH];
  unsigned long long sent = 0, refused = 0;
  int each = segments > 1 ? segments : 1;
  if (each > 1 && setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &size, sizeof size)) return fail("UDP_SEGMENT");
  if (size * each > LARGEST) return fail("datagrams too large");
  batch(m, v, size * each);
  double start = now();
  while (now() - start < seconds) {
    int n = sendmmsg(fd, m, BATCH, 0);
    if (n < 0) refused++;
    else sent += n * each;
  }
  printf("{\"rate\":%.0f,\"sent\":%llu,\"refused\":%llu}\n", sent / (now() - start), sent, refused);
  return 0;
}

static int open_port(int port) {
  int s = socket(AF_INET, SOCK_DGRAM, 0);
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (bind(s, (struct sockaddr *)&any, sizeof any)) exit(fail("bind"));
  return s;
}

static void *discard_loop(void *what) {
  (void)what;
  static char sink[BATCH][LARGEST];
  struct mmsghdr m[BATCH];
  struct iovec v[BATCH];
  int s = open_port(9);
  batch(m, v, LARGEST);
  for (int i = 0; i < BATCH; i++) v[i].iov_base = sink[i];
  for (;;) recvmmsg(s, m, BATCH, MSG_WAITFORONE, NULL);
  return NULL;
}

static void serve(void) {
  pthread_t thread;
  pthread_create(&thread, NULL, discard_loop, NULL);
  struct sockaddr_in from;
  int s = open_port(7);
  printf("{\"ready\":1}\n");
  for (;;) {
    socklen_t length = sizeof from;
    ssize_t n = recvfrom(s, block[0], LARGEST, 0, (struct sockaddr *)&from, &length);
    if (n >= 0) sendto(s, block[0], n, 0, (struct sockaddr *)&from, length);
  }
}

int main(int argc, char **argv) {
  end_with_parent();
  if (argc == 2 && !strcmp(argv[1], "serve")) serve();
  if (argc < 6) {
    fprintf(stderr, "usage: datagrams serve | echo|window|flood IP PORT SECONDS SIZE [WINDOW|SEGMENTS]\n");
    return 2;
  }
  struct sockaddr_in server = address_of(argv[2], atoi(argv[3]));
  fd = socket(AF_INET, SOCK_DGRAM, 0);
  if (connect(fd, (struct sockaddr *)&server, sizeof server)) return fail("connect");
  seconds = atof(argv[4]);
  size = atoi(argv[5]);
  int more = argc > 6 ? atoi(argv[6]) : 0;
  if (!strcmp(argv[1], "echo")) return echo();
  if (!strcmp(argv[1], "window")) return window(more > 0 ? more : 1);
  return flood(more);
}
