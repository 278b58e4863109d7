/*
 * responder DEVICE IP: the least program that answers a ping on a TAP, to measure ours against: poll, read, turn the echo request round,
 * write. It answers ARP for its address too, and nothing else. The other side of the interface is made by who starts it.
 */
#include "common.h"
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sys/ioctl.h>

static unsigned char frame[2048];
static const unsigned char mac[6] = {0x02, 0, 0x0a, 0x4f, 0, 2};
static struct in_addr mine;

/* Length of the answer that now stands in `frame`, 0 for none. */
static int turn_round(int n) {
  unsigned char *ip = frame + 14, *arp = frame + 14;
  if (n >= 42 && frame[12] == 8 && frame[13] == 6 && arp[7] == 1 && !memcmp(arp + 24, &mine, 4)) {
    arp[7] = 2;
    memcpy(arp + 18, arp + 8, 10); /* who asked is the target now */
    memcpy(arp + 8, mac, 6);
    memcpy(arp + 14, &mine, 4);
  } else if (n >= 42 && frame[12] == 8 && frame[13] == 0 && ip[9] == 1 && !memcmp(ip + 16, &mine, 4) && ip[(ip[0] & 15) * 4] == 8) {
    unsigned char *icmp = ip + (ip[0] & 15) * 4;
    memcpy(ip + 16, ip + 12, 4);
    memcpy(ip + 12, &mine, 4);
    icmp[0] = 0; /* RFC 1624: the type fell by 8, so the checksum rises by 8 << 8 */
    unsigned sum = (icmp[2] << 8 | icmp[3]) + 0x800;
    sum = (sum & 0xffff) + (sum >> 16);
    icmp[2] = sum >> 8;
    icmp[3] = sum;
  } else return 0;
  memcpy(frame, frame + 6, 6);
  memcpy(frame + 6, mac, 6);
  return n;
}

int main(int argc, char **argv) {
  end_with_parent();
  if (argc < 3) {
    fprintf(stderr, "usage: responder DEVICE IP\n");
    return 2;
  }
  inet_pton(AF_INET, argv[2], &mine);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strncpy(request.ifr_name, argv[1], IFNAMSIZ - 1);
  if (fd < 0 || ioctl(fd, TUNSETIFF, &request) < 0) return fail("tap");
  printf("{\"ready\":1}\n");
  for (;;) {
    struct pollfd ready = {fd, POLLIN, 0};
    if (poll(&ready, 1, -1) < 0) continue;
    int n;
    while ((n = read(fd, frame, sizeof frame)) > 0) {
      n = turn_round(n);
      if (n > 0 && write(fd, frame, n) < 0 && errno != EIO) return fail("write");
    }
  }
}
