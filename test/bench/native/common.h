/* What the bench's C programs share: the clock, latencies, one JSON line at the end, and an end together with the bench. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* CLOCK_MONOTONIC, as Node's process.hrtime: both sides of the bench may compare their times. */
static inline double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

/* A bench that was killed leaves none of its programs behind. */
static inline void end_with_parent(void) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  signal(SIGPIPE, SIG_IGN);
  setvbuf(stdout, NULL, _IOLBF, 0);
}

static inline int fail(const char *what) {
  printf("{\"error\":\"%s: %s\"}\n", what, strerror(errno));
  return 1;
}

static inline struct sockaddr_in address_of(const char *ip, int port) {
  struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
  inet_pton(AF_INET, ip, &a.sin_addr);
  return a;
}

static inline void time_limit(int fd, double seconds) {
  struct timeval limit = {(long)seconds, (long)((seconds - (long)seconds) * 1e6)};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
}

/* Latencies in µs; what is beyond the room is not kept. */
struct latencies {
  float *us;
  long n, room;
};
static inline struct latencies latencies(long room) {
  struct latencies l = {malloc(room * sizeof(float)), 0, room};
  return l;
}
static inline void note(struct latencies *l, double seconds) {
  if (l->n < l->room) l->us[l->n++] = seconds * 1e6;
}
static inline int float_order(const void *a, const void *b) {
  float x = *(const float *)a, y = *(const float *)b;
  return x < y ? -1 : x > y;
}
/* ,"p50":…,"p99":… behind other members of an object. */
static inline void print_latencies(struct latencies *l) {
  qsort(l->us, l->n, sizeof(float), float_order);
  if (l->n) printf(",\"p50\":%.2f,\"p99\":%.2f,\"max\":%.1f", l->us[l->n / 2], l->us[l->n * 99 / 100], l->us[l->n - 1]);
}
