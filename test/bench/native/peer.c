/*
 * The bench's TCP peer on the kernel's own sockets: client of every stream measure, and the server of the baseline. Written in C so that
 * neither the client nor the baseline is what is measured. One JSON line a run.
 *
 *   peer serve|serve6                           echo 7, discard 9, chargen 19 on every address, of IPv4 or IPv6
 *   peer upload|download IP PORT SECONDS [MS]   one connection, bytes that arrived; with MS a line {"at","bytes"} so often
 *   peer echo IP PORT SECONDS                   one byte to and fro
 *   peer connect IP PORT SECONDS THREADS [SOURCE]  connect, one byte to and fro, close
 *   peer hold IP PORT COUNT SOURCES             COUNT connections that have echoed a byte and stay, until standard input ends;
 *                                               SOURCES: address and how many that follow it, 10.77.1.1+20, or -
 *   peer stall IP PORT SECONDS                  connects, reads nothing for so long, then all there is
 */
#include "common.h"
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#define BLOCK (256 << 10)
#define GENERATED (1 << 20) /* as much a call as the stack's own generator sends */
#define MOST_THREADS 64

static struct sockaddr_storage server;
static double seconds;
static int six;

/* Of either family. */
static struct sockaddr_storage stream_address_of(const char *ip, int port) {
  struct sockaddr_storage s = {0};
  struct sockaddr_in6 *a = (struct sockaddr_in6 *)&s;
  if (inet_pton(AF_INET6, ip, &a->sin6_addr) != 1) *(struct sockaddr_in *)&s = address_of(ip, port);
  else {
    a->sin6_family = AF_INET6;
    a->sin6_port = htons(port);
  }
  return s;
}
static socklen_t size_of(const struct sockaddr_storage *s) {
  return s->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

/* Closes by RST: no TIME-WAIT stays, and what is queued is dropped. */
static void abort_connection(int fd) {
  struct linger at_once = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  close(fd);
}

static int open_from(const struct in_addr *source) {
  int fd = socket(server.ss_family, SOCK_STREAM, 0);
  if (fd < 0) return -1;
  time_limit(fd, 10);
  if (source) {
    struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr = *source};
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&from, sizeof from) < 0) {
      close(fd);
      return -1;
    }
  }
  if (connect(fd, (struct sockaddr *)&server, size_of(&server)) < 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static int echo_byte(int fd) {
  char c = 'x';
  return send(fd, &c, 1, MSG_NOSIGNAL) == 1 && recv(fd, &c, 1, 0) == 1;
}

static unsigned long long arrived(int fd, int up, unsigned long long bytes) {
  int queued = 0;
  if (up) ioctl(fd, TIOCOUTQ, &queued);
  return bytes - queued;
}

static int stream(int up, int every_ms) {
  static char block[1 << 20];
  int fd = open_from(NULL);
  if (fd < 0) return fail("connect");
  unsigned long long bytes = 0;
  double start = now(), t, told = start;
  while ((t = now()) - start < seconds) {
    if (every_ms && (t - told) * 1000 >= every_ms) {
      printf("{\"at\":%.6f,\"bytes\":%llu}\n", t, arrived(fd, up, bytes));
      told = t;
    }
    int left = every_ms ? every_ms : (int)((seconds - (t - start)) * 1000) + 1;
    struct pollfd ready = {fd, up ? POLLOUT : POLLIN, 0};
    if (poll(&ready, 1, left) <= 0) continue;
    ssize_t n = up ? send(fd, block, BLOCK, MSG_DONTWAIT | MSG_NOSIGNAL) : recv(fd, block, sizeof block, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return fail("stream");
    bytes += n;
  }
  t = now() - start;
  bytes = arrived(fd, up, bytes);
  abort_connection(fd);
  printf("{\"gbps\":%.4f,\"bytes\":%llu}\n", bytes * 8 / t / 1e9, bytes);
  return 0;
}

static int echo(void) {
  struct latencies l = latencies(1 << 22);
  int fd = open_from(NULL);
  if (fd < 0) return fail("connect");
  no_delay(fd);
  long rounds = 0;
  double start = now(), last = start, t = start;
  while (last - start < seconds) {
    if (!echo_byte(fd)) return fail("echo");
    t = now();
    note(&l, t - last);
    last = t;
    rounds++;
  }
  printf("{\"rate\":%.0f", rounds / (last - start));
  print_latencies(&l);
  printf("}\n");
  close(fd);
  return 0;
}

struct visits {
  long good, bad;
  const struct in_addr *source;
  struct latencies handshake;
};

static void *visit_loop(void *what) {
  struct visits *v = what;
  double start = now(), t = start;
  while (t - start < seconds) {
    int fd = open_from(v->source);
    double connected = now();
    int ok = fd >= 0;
    if (ok) {
      note(&v->handshake, connected - t);
      no_delay(fd);
      ok = echo_byte(fd);
      close(fd);
    }
    if (ok) v->good++;
    else v->bad++;
    t = now();
  }
  return NULL;
}

static int connects(int threads, const char *source) {
  pthread_t thread[MOST_THREADS];
  struct visits v[MOST_THREADS];
  struct in_addr from;
  if (threads > MOST_THREADS) threads = MOST_THREADS;
  if (source) inet_pton(AF_INET, source, &from);
  double start = now();
  for (int i = 0; i < threads; i++) {
    v[i] = (struct visits){0, 0, source ? &from : NULL, latencies(1 << 18)};
    pthread_create(&thread[i], NULL, visit_loop, &v[i]);
  }
  long good = 0, bad = 0;
  struct latencies all = latencies((long)threads << 18);
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
    good += v[i].good;
    bad += v[i].bad;
    for (long j = 0; j < v[i].handshake.n; j++) all.us[all.n++] = v[i].handshake.us[j];
  }
  printf("{\"rate\":%.0f,\"failed\":%ld", good / (now() - start), bad);
  print_latencies(&all);
  printf("}\n");
  return 0;
}

static int hold(long count, char *sources) {
  struct rlimit most = {count + 100, count + 100};
  setrlimit(RLIMIT_NOFILE, &most);
  unsigned first = 0, many = 0;
  char *plus = strchr(sources, '+');
  if (plus) {
    struct in_addr a;
    *plus = 0;
    inet_pton(AF_INET, sources, &a);
    first = ntohl(a.s_addr);
    many = atoi(plus + 1);
  }
  int *fds = malloc(count * sizeof(int));
  long open = 0, failed = 0;
  double start = now();
  for (long i = 0; i < count && failed < 10; i++) {
    struct in_addr a = {many ? htonl(first + i % many) : 0};
    int fd = open_from(many ? &a : NULL);
    if (fd >= 0 && echo_byte(fd)) fds[open++] = fd;
    else failed++;
  }
  printf("{\"open\":%ld,\"failed\":%ld,\"rate\":%.0f}\n", open, failed, open / (now() - start));
  char c;
  while (read(0, &c, 1) > 0);
  while (open > 0) abort_connection(fds[--open]);
  return 0;
}

static int stall(void) {
  static char block[1 << 20];
  int fd = open_from(NULL);
  if (fd < 0) return fail("connect");
  usleep(seconds * 1e6);
  int waiting = 0;
  ioctl(fd, FIONREAD, &waiting);
  unsigned long long bytes = 0;
  double start = now();
  while (now() - start < 1) {
    ssize_t n = recv(fd, block, sizeof block, 0);
    if (n <= 0) return fail("stall");
    bytes += n;
  }
  abort_connection(fd);
  printf("{\"waiting\":%d,\"bytes\":%llu}\n", waiting, bytes);
  return 0;
}

static void *serve_one(void *what) {
  int fd = (long)what & 0xffffff, port = (long)what >> 24;
  char *block = calloc(1, GENERATED);
  ssize_t n;
  no_delay(fd);
  if (port == 9) while (recv(fd, block, BLOCK, MSG_TRUNC) > 0); /* thrown away without a copy, as the stack's own discard service does */
  else if (port == 19) while (send(fd, block, GENERATED, MSG_NOSIGNAL) > 0);
  else while ((n = read(fd, block, 4096)) > 0 && send(fd, block, n, MSG_NOSIGNAL) == n);
  free(block);
  close(fd);
  return NULL;
}

static void *accept_loop(void *what) {
  long port = (long)what;
  struct sockaddr_storage any = stream_address_of(six ? "::" : "0.0.0.0", port);
  int fd = socket(any.ss_family, SOCK_STREAM, 0), on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (six) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&any, size_of(&any)) || listen(fd, 4096)) exit(fail("listen"));
  if (port == 7) printf("{\"ready\":1}\n");
  for (;;) {
    int c = accept(fd, NULL, NULL);
    pthread_t thread;
    if (c < 0) continue;
    if (pthread_create(&thread, NULL, serve_one, (void *)(port << 24 | c)) == 0) pthread_detach(thread);
    else close(c);
  }
}

int main(int argc, char **argv) {
  end_with_parent();
  if (argc == 2 && !strncmp(argv[1], "serve", 5)) {
    pthread_t thread;
    six = argv[1][5] == '6';
    pthread_create(&thread, NULL, accept_loop, (void *)9L);
    pthread_create(&thread, NULL, accept_loop, (void *)19L);
    accept_loop((void *)7L);
  }
  if (argc < 5) {
    fprintf(stderr, "usage: peer serve | serve6 | upload|download|echo|connect|hold|stall IP PORT SECONDS …\n");
    return 2;
  }
  server = stream_address_of(argv[2], atoi(argv[3]));
  seconds = atof(argv[4]);
  const char *what = argv[1];
  if (!strcmp(what, "upload") || !strcmp(what, "download")) return stream(*what == 'u', argc > 5 ? atoi(argv[5]) : 0);
  if (!strcmp(what, "echo")) return echo();
  if (!strcmp(what, "hold")) return hold(atol(argv[4]), argc > 5 ? argv[5] : argv[4]);
  if (!strcmp(what, "stall")) return stall();
  return connects(argc > 5 ? atoi(argv[5]) : 1, argc > 6 ? argv[6] : NULL);
}
