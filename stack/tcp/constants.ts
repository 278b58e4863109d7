/** Numbers of Linux's TCP that no sysctl holds (include/net/tcp.h's behaviour), in µs and bytes, and bits that several modules share. */

export const MSEC = 1000;
export const SEC = 1_000_000;
/** Linux's timers run in jiffies (HZ = 250). */
export const JIFFY = 4 * MSEC;
/** RFC 6298 2.1: initial RTO; and what follows when the handshake gave no RTT sample (5.7). */
export const TIMEOUT_INIT = 1 * SEC;
export const TIMEOUT_FALLBACK = 3 * SEC;
/** Least time a timer of the sender waits (RFC 8985 leaves it to the granularity). */
export const TIMEOUT_MIN = 2 * MSEC;
export const RESOURCE_PROBE_INTERVAL = 500 * MSEC;
export const DELACK_MIN = 40 * MSEC;
export const DELACK_MAX = 200 * MSEC;
export const ATO_MIN = 40 * MSEC;
export const TIMEWAIT_LEN = 60 * SEC;
export const PAWS_WRAP = 24 * 24 * 3600 * SEC;
export const INIT_CWND = 10;
export const MAX_QUICKACKS = 16;
export const MSS_DEFAULT = 536;
export const MIN_MSS = 88;
export const INFINITE_SSTHRESH = 0x7fffffff;
export const MAX_OPTION_SPACE = 40;
export const TS_OPTION = 12;
export const FASTRETRANS_THRESH = 3;
/** Rounds for which a widened RACK reordering window is kept. */
export const RACK_RECOVERY_THRESH = 16;
export const NEW_SACKS = 4;

/** Congestion states (tcpi_ca_state). */
export const Ca = Object.freeze({ open: 0, disorder: 1, cwr: 2, recovery: 3, loss: 4 });

/** A sent segment's scoreboard bits. */
export const SACKED = 1;
export const RETRANS = 2;
export const LOST = 4;
export const EVER_RETRANS = 0x80;
/** Retransmitted now or ever. */
export const RETRANS_ANY = RETRANS | EVER_RETRANS;

/** What an ACK was seen to do; Linux's FLAG_ names without the prefix. */
export const DATA = 0x1;
export const WIN_UPDATE = 0x2;
export const DATA_ACKED = 0x4;
export const RETRANS_DATA_ACKED = 0x8;
export const SYN_ACKED = 0x10;
export const DATA_SACKED = 0x20;
export const ECE = 0x40;
export const LOST_RETRANS = 0x80;
export const SLOWPATH = 0x100;
export const ORIG_SACK_ACKED = 0x200;
export const SND_UNA_ADVANCED = 0x400;
export const DSACKING_ACK = 0x800;
export const SET_XMIT_TIMER = 0x1000;
export const SACK_RENEGING = 0x2000;
export const UPDATE_TS_RECENT = 0x4000;
export const NO_CHALLENGE_ACK = 0x8000;
export const ACK_MAYBE_DELAYED = 0x10000;
export const DSACK_TLP = 0x20000;
export const TS_PROGRESS = 0x40000;
export const ACKED = DATA_ACKED | SYN_ACKED;
export const NOT_DUP = DATA | WIN_UPDATE | ACKED;
export const CA_ALERT = DATA_SACKED | ECE | DSACKING_ACK;
export const FORWARD_PROGRESS = ACKED | DATA_SACKED;

/** Nagle: off by TCP_NODELAY, corked, pushed now. */
export const NAGLE_OFF = 1;
export const NAGLE_CORK = 2;
export const NAGLE_PUSH = 4;

/** What is sent after an ACK was worked on. */
export const Rexmit = Object.freeze({ none: 0, lost: 1, fresh: 2 });

/**
 * Connection.ecn bits. What feedback was agreed (`modes`): `ok` alone is RFC 3168's, `accEcn` alone RFC 9768's, both that our SYN asked for the
 * latter and was not answered yet. The rest: say CWR with the next data, echo CE until the peer says CWR, ECT was seen, the segment sent last
 * was ECN-capable.
 */
export const EcnFlag = Object.freeze({ ok: 1, queueCwr: 2, demandCwr: 4, seen: 8, accEcn: 16, modes: 17, marked: 32 });

/** What a Connection's timers are for (Timer.kind). */
export const TimerKind = Object.freeze({ retransmit: 0, delayedAck: 1, keepalive: 2, compressedAck: 3, pacing: 4 });
/** What the retransmit timer is armed for. */
export const Pending = Object.freeze({ none: 0, retransmit: 1, probe0: 3, lossProbe: 5, reorder: 6 });
/** Shut-down bits. */
export const Shut = Object.freeze({ receive: 1, send: 2, both: 3 });
/** Delayed-ACK state (bits). */
export const AckPending = Object.freeze({ sched: 1, timer: 2, pushed: 4, pushed2: 8, now: 16, noMemory: 32 });
/** Urgent data: none, its byte awaited, arrived, read. */
export const Urg = Object.freeze({ none: 0, notYet: 1, valid: 2, read: 3 });
/** A time that never was. */
export const NEVER = -1e15;
/** Connection.appLimited before anything was delivered: any delivery ends it. */
export const NOTHING_YET = -1;
/** The ACK bit in the header's third word. */
export const ACK_FLAG_WORD = 0x100000;
