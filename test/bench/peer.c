/*
 * The bench's peer on the kernel's own sockets: client of every measure, and the server of the baseline. Written in C so that neither the
 * client nor the baseline is what is measured. One JSON line a run.
 *
 *   peer serve                           echo 7, discard 9, chargen 19 on every address
 *   peer upload|download IP PORT SECONDS one connection, bytes that arrived
 *   peer echo IP PORT SECONDS            one byte to and fro
 *   peer connect IP PORT SECONDS THREADS [SOURCE]  connect, one byte to and fro, close
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif
#define BLOCK (256 << 10)

static struct sockaddr_in server;
static const char *source;
static double seconds;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void no_delay(int fd) {
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

static int open_connection(void) {
  int fd = socket(AF_INET, SOCK_STREAM, 0);
  struct timeval limit = {10, 0};
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  if (source) {
    struct sockaddr_in from = {.sin_family = AF_INET};
    int on = 1;
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
    inet_pton(AF_INET, source, &from.sin_addr);
    bind(fd, (struct sockaddr *)&from, sizeof from);
  }
  if (connect(fd, (struct sockaddr *)&server, sizeof server) < 0) {
    close(fd);
    return -1;
  }
  return fd;
}

static int fail(const char *what) {
  printf("{\"error\":\"%s: %s\"}\n", what, strerror(errno));
  return 1;
}

static int stream(int up) {
  static char block[1 << 20];
  int fd = open_connection();
  if (fd < 0) return fail("connect");
  unsigned long long bytes = 0;
  double start = now(), t;
  while ((t = now() - start) < seconds) {
    struct pollfd ready = {fd, up ? POLLOUT : POLLIN, 0};
    if (poll(&ready, 1, (int)((seconds - t) * 1000) + 1) <= 0) continue;
    ssize_t n = up ? send(fd, block, BLOCK, MSG_DONTWAIT | MSG_NOSIGNAL) : recv(fd, block, sizeof block, MSG_DONTWAIT);
    if (n < 0 && errno == EAGAIN) continue;
    if (n <= 0) return fail("stream");
    bytes += n;
  }
  t = now() - start;
  int queued = 0;
  if (up) ioctl(fd, TIOCOUTQ, &queued);
  struct linger abort_it = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort_it, sizeof abort_it);
  close(fd);
  printf("{\"gbps\":%.4f}\n", (bytes - queued) * 8 / t / 1e9);
  return 0;
}

static int echo(void) {
  int fd = open_connection();
  if (fd < 0) return fail("connect");
  no_delay(fd);
  long rounds = 0;
  double start = now();
  char c = 'x';
  while (now() - start < seconds) {
    if (send(fd, &c, 1, MSG_NOSIGNAL) != 1 || recv(fd, &c, 1, 0) != 1) return fail("echo");
    rounds++;
  }
  printf("{\"rounds\":%.0f}\n", rounds / (now() - start));
  close(fd);
  return 0;
}

static void *connect_loop(void *counts) {
  long *n = counts;
  double start = now();
  while (now() - start < seconds) {
    int fd = open_connection();
    char c = 'x';
    if (fd < 0) {
      n[1]++;
      continue;
    }
    no_delay(fd);
    n[send(fd, &c, 1, MSG_NOSIGNAL) == 1 && recv(fd, &c, 1, 0) == 1 ? 0 : 1]++;
    close(fd);
  }
  return NULL;
}

static int connects(int threads) {
  pthread_t thread[64];
  long counts[64][2] = {{0}}, good = 0, bad = 0;
  double start = now();
  for (int i = 0; i < threads; i++) pthread_create(&thread[i], NULL, connect_loop, counts[i]);
  for (int i = 0; i < threads; i++) {
    pthread_join(thread[i], NULL);
    good += counts[i][0];
    bad += counts[i][1];
  }
  printf("{\"connects\":%.0f,\"failed\":%ld}\n", good / (now() - start), bad);
  return 0;
}

static void *serve_one(void *what) {
  int fd = (long)what & 0xffffff, port = (long)what >> 24;
  char *block = calloc(1, BLOCK);
  ssize_t n;
  no_delay(fd);
  if (port == 9) while (recv(fd, block, BLOCK, MSG_TRUNC) > 0); /* thrown away without a copy, as the stack's own discard service does */
  else if (port == 19) while (send(fd, block, BLOCK, MSG_NOSIGNAL) > 0);
  else while ((n = read(fd, block, 4096)) > 0 && send(fd, block, n, MSG_NOSIGNAL) == n);
  free(block);
  close(fd);
  return NULL;
}

static void *accept_loop(void *what) {
  long port = (long)what;
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&any, sizeof any) || listen(fd, 4096)) exit(fail("listen"));
  for (;;) {
    int c = accept(fd, NULL, NULL);
    pthread_t thread;
    if (c < 0) continue;
    if (pthread_create(&thread, NULL, serve_one, (void *)(port << 24 | c)) == 0) pthread_detach(thread);
    else close(c);
  }
}

int main(int argc, char **argv) {
  signal(SIGPIPE, SIG_IGN);
  if (argc == 2 && !strcmp(argv[1], "serve")) {
    pthread_t thread;
    pthread_create(&thread, NULL, accept_loop, (void *)9L);
    pthread_create(&thread, NULL, accept_loop, (void *)19L);
    accept_loop((void *)7L);
  }
  if (argc < 5) {
    fprintf(stderr, "usage: peer serve | upload|download|echo|connect IP PORT SECONDS [THREADS [SOURCE]]\n");
    return 2;
  }
  server.sin_family = AF_INET;
  server.sin_port = htons(atoi(argv[3]));
  inet_pton(AF_INET, argv[2], &server.sin_addr);
  seconds = atof(argv[4]);
  if (argc > 6) source = argv[6];
  if (!strcmp(argv[1], "upload")) return stream(1);
  if (!strcmp(argv[1], "download")) return stream(0);
  if (!strcmp(argv[1], "echo")) return echo();
  return connects(argc > 5 ? atoi(argv[5]) : 1);
}
