/*
 * ping IP SECONDS GAP_US: ICMP echo (RFC 792), one at a time, so long after the last answer; what came back, what did not, and how long it
 * took. A raw socket: the kernel's ping sockets need leave that few namespaces give.
 */
#include "common.h"
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>

#define PAYLOAD 56
#define LIMIT_S 0.2

static unsigned short sum(const unsigned short *words, int octets) {
  unsigned total = 0;
  for (; octets > 1; octets -= 2) total += *words++;
  total = (total >> 16) + (total & 0xffff);
  return ~(total + (total >> 16));
}

int main(int argc, char **argv) {
  end_with_parent();
  if (argc < 4) {
    fprintf(stderr, "usage: ping IP SECONDS GAP_US\n");
    return 2;
  }
  struct sockaddr_in server = address_of(argv[1], 0);
  double seconds = atof(argv[2]);
  int gap = atoi(argv[3]);
  int fd = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
  if (fd < 0 || connect(fd, (struct sockaddr *)&server, sizeof server)) return fail("raw socket");
  time_limit(fd, LIMIT_S);
  struct latencies l = latencies(1 << 20);
  struct {
    struct icmphdr head;
    unsigned char payload[PAYLOAD];
  } question = {.head = {.type = ICMP_ECHO, .un.echo.id = htons(getpid() & 0xffff)}};
  for (int i = 0; i < PAYLOAD; i++) question.payload[i] = i;
  long lost = 0, wrong = 0;
  double start = now();
  for (unsigned short number = 1; now() - start < seconds; number++) {
    if (gap > 0) usleep(gap);
    question.head.un.echo.sequence = htons(number);
    question.head.checksum = 0;
    question.head.checksum = sum((void *)&question, sizeof question);
    double sent = now();
    if (send(fd, &question, sizeof question, 0) < 0) {
      lost++;
      usleep(1000); /* the interface may be down for a while */
      continue;
    }
    for (;;) {
      unsigned char packet[2048];
      ssize_t n = recv(fd, packet, sizeof packet, 0);
      double t = now();
      if (n < 0 || t - sent > LIMIT_S) {
        lost++;
        break;
      }
      struct icmphdr *answer = (void *)(packet + ((struct iphdr *)packet)->ihl * 4);
      if (answer->type != ICMP_ECHOREPLY || answer->un.echo.id != question.head.un.echo.id) continue;
      if (answer->un.echo.sequence != question.head.un.echo.sequence) continue;
      if (memcmp(answer + 1, question.payload, PAYLOAD)) wrong++;
      note(&l, t - sent);
      break;
    }
  }
  printf("{\"answers\":%ld,\"lost\":%ld,\"wrong\":%ld", l.n, lost, wrong);
  print_latencies(&l);
  printf("}\n");
  return 0;
}
