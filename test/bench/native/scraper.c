/*
 * scraper SOCKET EVERY_MS SECONDS WHAT…: asks for everything so often, as Prometheus and an SNMP manager do, and throws it away. WHAT is a
 * path for GET on the unix socket (one connection, kept), or `snmp:PORT`, a walk over mib-2 by GETBULK, which takes as much an answer as the
 * agent gives. In C, so that the client takes as little of the machine as it can.
 */
#include "common.h"
#include <sys/un.h>

static char answer[16 << 20];
static int http = -1;
static long requests, octets;

static int http_connect(const char *path) {
  struct sockaddr_un a = {.sun_family = AF_UNIX};
  strncpy(a.sun_path, path, sizeof a.sun_path - 1);
  http = socket(AF_UNIX, SOCK_STREAM, 0);
  time_limit(http, 10);
  return connect(http, (struct sockaddr *)&a, sizeof a);
}

/* 0 when the whole answer came with status 200. */
static int get(const char *path) {
  char question[512];
  int n = snprintf(question, sizeof question, "GET %s HTTP/1.1\r\nHost: bench\r\nAccept: text/plain\r\n\r\n", path);
  if (send(http, question, n, MSG_NOSIGNAL) != n) return -1;
  long have = 0, whole = -1;
  while (whole < 0 || have < whole) {
    ssize_t got = recv(http, answer + have, sizeof answer - 1 - have, 0);
    if (got <= 0) return -1;
    have += got;
    answer[have] = 0;
    if (whole >= 0) continue;
    char *body = strstr(answer, "\r\n\r\n"), *length = strcasestr(answer, "\r\ncontent-length:");
    if (!body) continue;
    if (!length || length > body || strncmp(answer, "HTTP/1.1 200", 12)) return -1;
    whole = body + 4 - answer + atol(length + 17);
    if (whole >= (long)sizeof answer) return -1;
  }
  requests++;
  octets += have;
  return 0;
}

/* ---- SNMPv2c: BER by hand, from the back to the front */
static unsigned char message[1500], *front;
static void put(int tag, const void *content, int n) {
  front -= n;
  memmove(front, content, n);
  *--front = n & 0x7f;
  if (n > 127) {
    front[0] = n & 0xff;
    *--front = 0x81;
  }
  *--front = tag;
}
static void wrap(int tag, unsigned char *end) {
  int n = end - front;
  *--front = n & 0xff;
  if (n > 127) *--front = 0x81;
  *--front = tag;
}
/* Where the content begins; its length in *n. NULL for what is not this tag (0: any) or does not fit. */
static unsigned char *open_tag(unsigned char *at, unsigned char *end, int tag, int *n) {
  if (at + 2 > end || (tag && *at != tag)) return NULL;
  int length = at[1];
  at += 2;
  if (length > 127) {
    int more = length & 0x7f;
    for (length = 0; more > 0 && at < end; more--) length = length << 8 | *at++;
  }
  *n = length;
  return length >= 0 && at + length <= end ? at : NULL;
}

static int bulk_request(int fd, const unsigned char *oid, int length) {
  unsigned char *end = message + sizeof message, id[4] = {1, requests >> 16, requests >> 8, requests};
  front = end;
  put(5, "", 0);
  put(6, oid, length);
  wrap(0x30, end);
  wrap(0x30, end);
  put(2, "\x7\xd0", 2); /* max-repetitions 2000, non-repeaters 0 */
  put(2, "\0", 1);
  put(2, id, 4);
  wrap(0xa5, end);
  put(4, "public", 6);
  put(2, "\1", 1);
  wrap(0x30, end);
  return send(fd, front, end - front, 0) == end - front ? 0 : -1;
}

/* 1 at the end of the walk, 0 with the last name in `oid`, -1 for an answer that is none. */
static int bulk_answer(unsigned char *at, int n, unsigned char *oid, int *length) {
  unsigned char *end = at + n, *name = NULL;
  int m, value_length, last = 0;
  if (!(at = open_tag(at, end, 0x30, &m))) return -1;
  for (int i = 0; i < 2; i++) at = (at = open_tag(at, end, 0, &m)) ? at + m : end;
  if (!(at = open_tag(at, end, 0xa2, &m))) return -1;
  for (int i = 0; i < 3; i++) at = (at = open_tag(at, end, 2, &m)) ? at + m : end;
  if (!(at = open_tag(at, end, 0x30, &m))) return -1;
  while (at && at < end) {
    unsigned char *pair = open_tag(at, end, 0x30, &m);
    if (!pair) return -1;
    at = pair + m;
    name = open_tag(pair, end, 6, &last);
    if (!name || !open_tag(name + last, end, 0, &value_length)) return -1;
    if (name[last] == 0x82 || last < 5 || memcmp(name, "\x2b\x06\x01\x02\x01", 5)) return 1;
  }
  if (!name || last > 200) return -1;
  memcpy(oid, name, last);
  *length = last;
  return 0;
}

static int walk(int port) {
  static unsigned char datagram[65536];
  unsigned char oid[256] = "\x2b\x06\x01\x02\x01";
  int length = 5, fd = socket(AF_INET, SOCK_DGRAM, 0), done = -1;
  struct sockaddr_in agent = address_of("127.0.0.1", port);
  time_limit(fd, 10);
  if (connect(fd, (struct sockaddr *)&agent, sizeof agent) == 0) {
    for (int i = 0; i < 100000; i++) {
      ssize_t n = bulk_request(fd, oid, length) ? -1 : recv(fd, datagram, sizeof datagram, 0);
      if (n <= 0) break;
      octets += n;
      done = bulk_answer(datagram, n, oid, &length);
      if (done != 0) break;
      done = -1;
    }
  }
  close(fd);
  requests++;
  return done == 1 ? 0 : -1;
}

int main(int argc, char **argv) {
  end_with_parent();
  if (argc < 5) {
    fprintf(stderr, "usage: scraper SOCKET EVERY_MS SECONDS PATH|snmp:PORT …\n");
    return 2;
  }
  double every = atof(argv[2]) / 1000, seconds = atof(argv[3]), start = now();
  struct latencies l = latencies(1 << 18);
  if (http_connect(argv[1])) return fail("connect");
  for (double due = start; due - start < seconds; due += every) {
    double early = due - now();
    if (early > 0) usleep(early * 1e6);
    double asked = now();
    for (int i = 4; i < argc; i++)
      if (strncmp(argv[i], "snmp:", 5) ? get(argv[i]) : walk(atoi(argv[i] + 5))) return fail(argv[i]);
    note(&l, now() - asked);
    if (now() > due + every) due = now() - every; /* who is late does not ask twice at once */
  }
  printf("{\"rounds\":%ld,\"requests\":%ld,\"octets\":%ld", l.n, requests, octets);
  print_latencies(&l);
  printf("}\n");
  return 0;
}
