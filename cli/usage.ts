/** What `tsnetstat --help` prints. */
export const USAGE = `usage: tsnetstat [-t] [-u] [-U] [-w] [-a | -l] [-n] [-o] [-e] [-W] [-c]   sockets
       tsnetstat -s [-t] [-u] [-w] [-4 | -6] [--connection ID|LOCAL-REMOTE] statistics, as netstat -s prints them
       tsnetstat -s --owners [-t] [-u] [-w] [-4 | -6]                  who the counts belong to
       tsnetstat -i [-a]                                               interfaces
       tsnetstat -r [-n] [-e] [-4] [-6]                                routes
       tsnetstat -g [-n] [-4] [-6]                                     multicast groups
       tsnetstat neigh [-4] [-6]                                       neighbours, as ip neigh prints them
       tsnetstat trace NAME...                                         events of counters, each with its connection

Source (default: the daemon's unix socket)
  --socket PATH          the daemon's socket; else $TSNETSTAT_SOCKET, /run/tsnetstat/tsnetstat.sock (root),
                         $XDG_RUNTIME_DIR/tsnetstat.sock
  --proc [DIR]           the Linux kernel's /proc/net, or files like these in DIR

What to show
  -s, --statistics       all counters by group; -t -u -w choose groups
      --connection WHO   with -s: the counters of one connection, by its id (row.generation) or by its ends
                         (10.77.0.2:80-10.77.0.1:45678, local end first)
      --owners           with -s: each count, and what connections, ended ones and nobody had of it
  -i, --interfaces       the table of interfaces
  -r, --route            the routing table (-6: of IPv6)
  -g, --groups           the multicast groups of interfaces
  -t, --tcp  -u, --udp  -U, --udplite  -w, --raw     these protocols only
  -4, --inet  -6, --inet6  -A FAMILY                 this address family only
  -a, --all              servers too (-i: interfaces that are down, too)
  -l, --listening        servers only

How
  -n, --numeric          no names (--numeric-hosts, --numeric-ports, --numeric-users: not these)
  -o, --timers           timers: kind (seconds/retransmissions/probes)
  -e, --extend           user and inode (-r: metric and use; twice: all columns)
  -p, --programs         a column for the program, which is not known: -
  -W, --wide             do not cut long addresses
  -c, --continuous       again every second
      --json             JSON instead of text
  -h, --help             -V, --version

Exit status: 0, 1 when something could not be read (one line on stderr), 3 for a wrong command line.
`;
